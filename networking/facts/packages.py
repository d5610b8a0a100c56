"""Which system a host runs, and the state of its services."""

from __future__ import annotations

import re
from dataclasses import dataclass

from networking.facts import asking
from opsportal.operations.facts import Fact, FactError
from opsportal.transport.base import Result
from opsportal.transport.command import Command

SYSTEM = f"""{asking.PRELUDE}
part release; cat /etc/os-release 2>/dev/null; cat /etc/redhat-release 2>/dev/null | sed 's/^/redhat /'
part user; id -un
part sudo; if [ "$(id -u)" = 0 ]; then echo root; elif sudo -n true >/dev/null 2>&1; then echo yes; else echo no; fi
part init; if [ -d /run/systemd/system ]; then echo systemd; else echo other; fi
part end
"""

FAMILIES = {"debian": "debian", "ubuntu": "debian", "rhel": "redhat", "centos": "redhat", "fedora": "redhat", "rocky": "redhat"}
"""Of the words in ID and ID_LIKE."""


@dataclass(frozen=True)
class System:
    """`ident` is os-release's ID; `release` its version in numbers, (22, 4) for 22.04. `family` is "debian", "redhat" or "".

    `sudo` is "root" (no sudo needed), "yes" (without a password) or "no".
    """

    ident: str
    release: tuple[int, ...]
    title: str
    family: str
    user: str
    sudo: str
    systemd: bool

    @property
    def major(self) -> int:
        return self.release[0] if self.release else 0


@dataclass(frozen=True)
class HostSystem(Fact[System]):
    def command(self) -> Command:
        return Command(script=SYSTEM, gist="cat /etc/os-release; id -un")

    def parse(self, result: Result) -> System:
        parts = asking.parts(result)
        said = dict(line.split("=", 1) for line in parts["release"] if "=" in line and not line.startswith("redhat "))
        values = {name: text.strip().strip("\"'") for name, text in said.items()}
        old = next((line.removeprefix("redhat ") for line in parts["release"] if line.startswith("redhat ")), "")
        ident = values.get("ID") or ("centos" if old else "")
        numbers = re.findall(r"\d+", values.get("VERSION_ID") or old)
        if not ident or not parts["user"] or not parts["sudo"]:
            raise FactError("The host does not say which system it runs: /etc/os-release is missing or empty.")
        likes = [ident, *values.get("ID_LIKE", "").split()]
        family = next((FAMILIES[word] for word in likes if word in FAMILIES), "")
        title = f"{values.get('NAME', ident)} {values.get('VERSION_ID', '.'.join(numbers))}".strip()
        return System(ident, tuple(map(int, numbers)), title, family, parts["user"][0], parts["sudo"][0], parts["init"] == ["systemd"])


@dataclass(frozen=True)
class Service:
    """False for both where there is no such service yet."""

    active: bool
    enabled: bool


@dataclass(frozen=True)
class HostService(Fact[Service]):
    """Of systemd."""

    name: str

    def command(self) -> Command:
        script = f'{asking.PRELUDE}\npart state; systemctl is-active "$1"; systemctl is-enabled "$1"; part end\n'
        return Command(script=script, argv=(self.name,), gist=f"systemctl is-active {self.name}; systemctl is-enabled {self.name}")

    def parse(self, result: Result) -> Service:
        words = [line for line in asking.parts(result)["state"] if line.strip()]
        return Service(words[:1] == ["active"], words[1:2] in (["enabled"], ["alias"]))
