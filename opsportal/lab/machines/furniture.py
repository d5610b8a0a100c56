"""What a dom0 has besides the files that xapi owns: accounts, scripts under their full paths, and what runs at boot."""

from __future__ import annotations

import ipaddress
from collections.abc import Iterable

from opsportal.lab.machines.disk import Disk

PEM = "/etc/xensource/xapi-ssl.pem"

CERTIFICATE = """#!/bin/sh
# generate_ssl_cert FILE NAME: a practice host speaks no TLS, so any new text will do.
{ echo "-----BEGIN CERTIFICATE-----"; head -c 600 /dev/urandom | base64; echo "-----END CERTIFICATE-----"; } >"$1"
"""
SERVICE = '#!/bin/sh\nexec service "${0##*/}" "$@"\n'
ELSEWHERE = {
    "/opt/xensource/bin": ("xe", "xe-toolstack-restart", "xe-reset-networking"),
    "/opt/xensource/libexec": ("create_templates",),
}
"""Where scripts look for programs by their full path."""

FILES = {
    "/etc/passwd": "root:x:0:0:root:/root:/bin/bash\n",
    "/etc/group": "root:x:0:\n",
    "/etc/nsswitch.conf": "passwd: files\ngroup: files\nhosts: files\n",
    "/etc/hosts": "127.0.0.1 localhost\n",
    PEM: "-----BEGIN CERTIFICATE-----\nthe same on every clone\n-----END CERTIFICATE-----\n",
}
PROGRAMS = {
    "/etc/init.d/xapi": SERVICE,
    "/etc/init.d/xapissl": SERVICE,
    "/opt/xensource/libexec/generate_ssl_cert": CERTIFICATE,
    **{f"{folder}/{name}": f'#!/bin/sh\nexec /run/lab/bin/{name} "$@"\n' for folder, names in ELSEWHERE.items() for name in names},
}

AT_BOOT = """
for script in /etc/init.d/*; do
  name=${script##*/}
  case $name in xapi | xapissl) continue ;; esac
  [ -x "$script" ] && chkconfig --list "$name" 2>/dev/null | grep -q 3:on && "$script" start
done
for script in /etc/rc.d/rc.local /etc/rc.local; do [ ! -x "$script" ] || { "$script"; break; }; done
"""
"""Services that somebody put there and switched on with chkconfig, then rc.local, as the init of every dom0 does."""


LINK_LINES, ADDRESS_LINES, ROUTE_LINES = "/etc/practice/links", "/etc/practice/addresses", "/etc/practice/routes"
IP = f"""#!/bin/sh
case $* in
*link*) exec cat {LINK_LINES} ;;
*addr*) exec cat {ADDRESS_LINES} ;;
*-6*route*) exit 0 ;;
*route*) exec cat {ROUTE_LINES} ;;
esac
echo "a practice host knows 'ip -o link', 'ip -o addr' and 'ip -o route'" >&2
exit 1
"""
"""Its sandbox has no network, so the interfaces that a dom0 would show are told from files."""


def put_interfaces(disk: Disk, macs: Iterable[str], address: str, bridges: str = "xenbr") -> None:
    """Each interface under its bridge, whose name begins with `bridges`, the management address on the first one. Raises OSError."""
    _put_device(disk, "lo", 1, "00:00:00:00:00:00", mtu=65536, flags="0x9")
    links, addresses = ["1: lo: <LOOPBACK,UP,LOWER_UP> mtu 65536"], ["1: lo    inet 127.0.0.1/8 scope host lo"]
    for number, mac in enumerate(macs):
        at, bridge = 2 * number + 2, f"{bridges}{number}"
        master = "ovs-system" if bridges == "xenbr" else bridge
        up = "<BROADCAST,MULTICAST,UP,LOWER_UP> mtu 1500"
        links.append(f"{at}: eth{number}: {up} master {master} state UP \\    link/ether {mac} brd ff:ff:ff:ff:ff:ff")
        links.append(f"{at + 1}: {bridge}: {up} state UNKNOWN \\    link/ether {mac} brd ff:ff:ff:ff:ff:ff")
        if not number:
            addresses.append(f"{at + 1}: {bridge}    inet {address}/24 scope global {bridge}")
        _put_device(disk, f"eth{number}", at, mac)
        _put_device(disk, bridge, at + 1, mac)
        disk.write(f"/sys/class/net/eth{number}/device/vendor", "0x8086\n")
        if master == bridge:
            disk.link(f"/sys/class/net/eth{number}/master", f"../{bridge}")
    network = ipaddress.ip_interface(f"{address}/24").network
    routes = (f"default via {network[1]} dev {bridges}0 proto static", f"{network} dev {bridges}0 proto kernel scope link src {address}")
    disk.write(ROUTE_LINES, "\n".join(routes) + "\n")
    disk.write(LINK_LINES, "\n".join(links) + "\n")
    disk.write(ADDRESS_LINES, "\n".join(addresses) + "\n")


def _put_device(disk: Disk, name: str, index: int, mac: str, *, mtu: int = 1500, flags: str = "0x1043") -> None:
    """As sysfs shows one that is up and has a signal."""
    shown = {"address": mac, "mtu": mtu, "flags": flags, "carrier": 1, "ifindex": index, "iflink": index}
    for file, text in shown.items():
        disk.write(f"/sys/class/net/{name}/{file}", f"{text}\n")


def put(disk: Disk, hostname: str) -> None:
    for path, text in {**FILES, "/etc/hostname": f"{hostname}\n"}.items():
        disk.write(path, text)
    for path, text in PROGRAMS.items():
        disk.write(path, text, 0o755)


def starts_something(disk: Disk) -> bool:
    """There is something for `AT_BOOT` to do."""
    init = disk.root / "etc" / "init.d"
    own = {path.rsplit("/", 1)[1] for path in PROGRAMS if path.startswith("/etc/init.d/")}
    added = {path.name for path in init.iterdir()} - own if init.is_dir() and not init.is_symlink() else set()
    return bool(added) or any(disk.read(path) for path in ("/etc/rc.d/rc.local", "/etc/rc.local"))
