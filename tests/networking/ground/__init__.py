"""Small Linux machines for tests: own network, root file system, systemd, sshd and Open vSwitch, as namespaces of this machine.

`with Ground(2) as ground:` boots them in about a second and leaves nothing behind. It needs root and what `missing` names.

    this machine ---- bridge og0 ---- eth0 of each host          management, SSH: 198.18.200.11, .12, ...
    eth1, eth2 of host 1 ==== eth1, eth2 of host 2               two straight wires: bonds, LACP, VLANs
    eth3 of each host -- br-underlay of Open vSwitch, 198.19.200.11, .12: where tunnels leave
"""

from tests.networking.ground.machines import Ground, GroundHost, cannot, missing

__all__ = ["Ground", "GroundHost", "cannot", "missing"]
