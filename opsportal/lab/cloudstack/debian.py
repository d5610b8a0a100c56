"""What the Debian machines of a practice cloud share: packages, kept by the real dpkg and apt.

Their /usr is a folder of their own full of links into this machine's, so that packages can be installed there.
"""

from __future__ import annotations

import shutil
import subprocess
import tempfile
from pathlib import Path
from typing import ClassVar

from opsportal.lab.cloudstack.model import OLD
from opsportal.lab.machines import furniture
from opsportal.lab.machines.machine import Machine
from opsportal.lab.machines.sandbox import HIDDEN, OWN_USR

STATUS = "/var/lib/dpkg/status"
CACHE = "var/cache/apt/archives"

OWN = {("share", "doc")}
"""Folders of /usr that are the machine's own: every package puts something there."""

MISSING = {("bin", name) for name in ("ovs-vsctl", "ovs-appctl", "ovs-ofctl", "virsh", "docker", "podman")}
"""Programs that this machine may have, and the simulated one has not."""

FOLDERS = (
    "var/lib/dpkg/info", "var/lib/dpkg/updates", "var/lib/dpkg/triggers", f"{CACHE}/partial", "var/lib/apt/lists/partial",
    "etc/apt/apt.conf.d", "etc/apt/sources.list.d", "etc/apt/preferences.d", "var/backups", "var/tmp",
)  # fmt: skip
FILES = {
    "/etc/passwd": "root:x:0:0:root:/root:/bin/bash\n",
    "/etc/group": "root:x:0:\n",
    "/etc/nsswitch.conf": "passwd: files\ngroup: files\nhosts: files\n",
    "/etc/hosts": "127.0.0.1 localhost\n",
    "/etc/os-release": 'PRETTY_NAME="Debian GNU/Linux 12 (bookworm)"\nNAME="Debian GNU/Linux"\nVERSION_ID="12"\nID=debian\n',
    "/etc/debian_version": "12.8\n",
    "/etc/apt/sources.list": "",
    "/etc/apt/apt.conf.d/99practice": 'APT::Sandbox::User "root";\n',
    "/var/lib/dpkg/available": "",
}


class DebianMachine(Machine):
    """`packages` are installed from the first day on, by the names that the practice source gives them; `service` is what runs there."""

    own_usr = True
    packages: ClassVar[tuple[str, ...]] = ()
    service = ""
    bridge = "xenbr"

    def furnish(self) -> None:
        for folder in FOLDERS:
            (self.disk.root / folder).mkdir(parents=True, exist_ok=True)
        link_usr(self.disk.root / "usr")
        for path, text in {**FILES, "/etc/hostname": f"{self.hostname}\n", STATUS: "".join(map(record, self.packages))}.items():
            self.disk.write(path, text)
        self.disk.write(f"/usr/lib/systemd/system/{self.service}.service", f"[Unit]\nDescription={self.service}\n")
        self.disk.write(f"/etc/init.d/{self.service}", f'#!/bin/sh\nexec /run/lab/bin/service {self.service} "$@"\n', 0o755)

    def wire(self, nics: list[str], address: str) -> None:
        link_usr(self.disk.root / "usr")
        furniture.put_interfaces(self.disk, nics, address, self.bridge)

    def note(self, text: str) -> None:
        """It has no xensource.log."""

    def put(self, package: str, files: dict[str, bytes]) -> None:
        """What an installed package holds; apt's cache has it too, which is the way back from an upgrade."""
        names = ["/."]
        for path, content in files.items():
            self.disk.write(path, content.decode("utf-8", "surrogateescape"))
            for part in path.strip("/").split("/"):
                names.append(f"{names[-1].removesuffix('/.')}/{part}")
        self.disk.write(f"/var/lib/dpkg/info/{package}.list", "\n".join(names if files else ["/.", "/usr", "/usr/share"]) + "\n")
        cache(self.disk.root / CACHE, package, files)


def record(package: str) -> str:
    """As dpkg keeps it."""
    depends = "" if package.endswith("common") else f"Depends: practice-common (= {OLD})\n"
    return (
        f"Package: {package}\nStatus: install ok installed\nPriority: optional\nSection: admin\n"
        f"Maintainer: Practice <release@practice.example>\nArchitecture: all\nVersion: {OLD}\n{depends}Description: the practice cloud\n\n"
    )


def cache(folder: Path, package: str, files: dict[str, bytes]) -> None:
    """Nothing where dpkg-deb is missing."""
    if not shutil.which("dpkg-deb"):
        return
    with tempfile.TemporaryDirectory() as made:
        root = Path(made, package)
        (root / "DEBIAN").mkdir(parents=True)
        (root / "DEBIAN/control").write_text(record(package).replace("Status: install ok installed\n", "").rstrip() + "\n")
        for path, content in files.items():
            (root / path.strip("/")).parent.mkdir(parents=True, exist_ok=True)
            (root / path.strip("/")).write_bytes(content)
        words = ["dpkg-deb", "--root-owner-group", "-b", str(root), str(folder / f"{package}_{OLD}_all.deb")]
        subprocess.run(words, check=True, capture_output=True)


def link_usr(usr: Path) -> None:
    """Brings the links up to date: what this machine has installed or removed since is there or gone."""
    hidden = {(Path(path).parent.name, Path(path).name) for path in HIDDEN} | MISSING
    for top in Path("/usr").iterdir():
        if top.is_symlink() or not top.is_dir() or top.name == "local":
            continue
        (usr / top.name).mkdir(parents=True, exist_ok=True)
        for entry in top.iterdir():
            link = usr / top.name / entry.name
            if (top.name, entry.name) in OWN:
                link.mkdir(exist_ok=True)
            elif (top.name, entry.name) not in hidden and not link.is_symlink() and not link.exists():
                link.symlink_to(f"{OWN_USR}/{top.name}/{entry.name}")
