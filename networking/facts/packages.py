"""What a host runs, which packages it has, what its package manager could install, and what that would bring along."""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import ClassVar

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


OFFERS = (
    f"{asking.PRELUDE}"
    r"""
if command -v apt-get >/dev/null; then
  part manager; echo apt
  part lists; if ls /var/lib/apt/lists 2>/dev/null | grep -q _Packages; then echo yes; else echo no; fi
  part has; dpkg-query -W -f '${db:Status-Abbrev} ${Package}, ${Provides}\n' \
    | sed -n 's/^ii *//p' | tr ',' '\n' | sed 's/^ *\([^ (:]*\).*/\1/'
  part offers; apt-cache policy "$@" | awk '/^[^ ]/ { name = $1; sub(/:$/, "", name) } $1 == "Candidate:" && $2 != "(none)" { print name }'
elif manager=$(command -v dnf || command -v yum); then
  part manager; echo "${manager##*/}"
  part lists; echo yes
  part has; for name; do ! rpm -q --whatprovides "$name" >/dev/null 2>&1 || echo "$name"; done
  part offers; for name; do
    if rpm -q --whatprovides "$name" >/dev/null 2>&1; then continue; fi
    said=$("$manager" -q provides "$name" 2>/dev/null | head -n 1)
    [ -z "$said" ] || echo "$name"
  done
else
  part manager; echo none; part lists; echo no; part has; part offers
fi
part end
"""
)


@dataclass(frozen=True)
class Offer:
    """`manager` is "apt", "dnf", "yum" or "none". Without `lists` it is not known yet what could be installed.

    `installed` are the asked names that are there, by themselves or provided by another package; `offered` those that the package
    manager has. No versions: a new one would make every waiting plan stale.
    """

    manager: str
    lists: bool
    installed: tuple[str, ...]
    offered: tuple[str, ...]


@dataclass(frozen=True)
class Offered(Fact[Offer]):
    """Asks for these names only; nothing is fetched."""

    names: tuple[str, ...]
    timeout: ClassVar[float] = 240

    def command(self) -> Command:
        return Command(script=OFFERS, argv=self.names, gist=f"which of {', '.join(self.names)} are installed or offered")

    def parse(self, result: Result) -> Offer:
        parts = asking.parts(result)
        if not parts.get("manager"):
            raise FactError("The host does not say which package manager it has.")
        has, offers, ours = set(parts["has"]), set(parts["offers"]), set(self.names)
        return Offer(parts["manager"][0], parts["lists"] == ["yes"], tuple(sorted(has & ours)), tuple(sorted(offers & ours)))


@dataclass(frozen=True)
class Effects:
    """What an installation would do: packages that are new, that change their version, and that are removed."""

    new: tuple[str, ...]
    changed: tuple[str, ...]
    removed: tuple[str, ...]


@dataclass(frozen=True)
class Simulated(Fact[Effects]):
    """apt's own simulation. It needs no rights and takes no lock."""

    names: tuple[str, ...]
    timeout: ClassVar[float] = 120

    def command(self) -> Command:
        script = 'LC_ALL=C exec apt-get -s -q install --no-install-recommends -- "$@"\n'
        return Command(script=script, argv=self.names, gist=f"apt-get -s install {' '.join(self.names)}")

    def parse(self, result: Result) -> Effects:
        if result.exit:
            said = " ".join(line for line in f"{result.out}\n{result.err}".split("\n") if line.startswith(("E:", " ")))
            raise FactError(f"apt cannot install {', '.join(self.names)}: {' '.join(said.split())[-400:] or 'it did not say why'}")
        acts = re.findall(r"(?m)^(Inst|Remv) (\S+)(?: \[(\S+)\])?", result.out)
        return Effects(
            new=tuple(sorted(name for act, name, old in acts if act == "Inst" and not old)),
            changed=tuple(sorted(name for act, name, old in acts if act == "Inst" and old)),
            removed=tuple(sorted(name for act, name, _ in acts if act == "Remv")),
        )


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
