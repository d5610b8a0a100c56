"""Networking of hypervisors: Open vSwitch, tunnels, virtual addresses, controllers."""
