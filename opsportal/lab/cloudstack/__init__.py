"""A simulated CloudStack: its API, and the hosts as a management server sees them. It follows the seat's simulated pools."""
