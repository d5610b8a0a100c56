"""What a dom0 has besides the files that xapi owns: accounts, scripts under their full paths, and what runs at boot."""

from __future__ import annotations

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


def put(disk: Disk, hostname: str, macs: Iterable[str]) -> None:
    for path, text in {**FILES, "/etc/hostname": f"{hostname}\n"}.items():
        disk.write(path, text)
    for path, text in PROGRAMS.items():
        disk.write(path, text, 0o755)
    for number, mac in enumerate(macs):
        for device in (f"eth{number}", f"xenbr{number}"):
            disk.write(f"/sys/class/net/{device}/address", f"{mac}\n")


def starts_something(disk: Disk) -> bool:
    """There is something for `AT_BOOT` to do."""
    init = disk.root / "etc" / "init.d"
    own = {path.rsplit("/", 1)[1] for path in PROGRAMS if path.startswith("/etc/init.d/")}
    added = {path.name for path in init.iterdir()} - own if init.is_dir() and not init.is_symlink() else set()
    return bool(added) or any(disk.read(path) for path in ("/etc/rc.d/rc.local", "/etc/rc.local"))
