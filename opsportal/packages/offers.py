"""Which packages a machine has, which its package manager could install, and what an installation would bring along."""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import ClassVar

from opsportal.operations.facts import Fact, FactError
from opsportal.transport.base import Result
from opsportal.transport.command import Command

SCRIPT = """\
export LC_ALL=C
if command -v apt-get >/dev/null; then
  echo "manager apt"
  ls /var/lib/apt/lists 2>/dev/null | grep -q _Packages && echo "lists yes" || echo "lists no"
  dpkg-query -W -f '${db:Status-Abbrev} ${Package}, ${Provides}\\n' \\
    | sed -n 's/^ii *//p' | tr ',' '\\n' | sed 's/^ *\\([^ (:]*\\).*/has \\1/'
  apt-cache policy "$@" | awk '/^[^ ]/ { name = $1; sub(/:$/, "", name) } $1 == "Candidate:" && $2 != "(none)" { print "offers", name }'
elif manager=$(command -v dnf || command -v yum); then
  echo "manager ${manager##*/}"
  echo "lists yes"
  for name; do
    if rpm -q --whatprovides "$name" >/dev/null 2>&1; then
      echo "has $name"
    elif said=$("$manager" -q provides "$name" 2>/dev/null | head -n 1) && [ -n "$said" ]; then
      echo "offers $name"
    fi
  done
else
  echo "manager none"
fi
echo end
"""


@dataclass(frozen=True)
class Offer:
    """`manager` is "apt", "dnf", "yum" or "none". Without `lists` it is not known yet what could be installed.

    `installed` are the asked names that are there, by themselves or provided by another package; `candidates` those that the
    package manager has. No versions: a new one would make every waiting plan stale.
    """

    manager: str
    lists: bool
    installed: tuple[str, ...]
    candidates: tuple[str, ...]


@dataclass(frozen=True)
class Offered(Fact[Offer]):
    """Asks for these names only; nothing is fetched."""

    names: tuple[str, ...]
    timeout: ClassVar[float] = 240

    def command(self) -> Command:
        return Command(script=SCRIPT, argv=self.names, gist=f"which of {', '.join(self.names)} are installed or offered")

    def parse(self, result: Result) -> Offer:
        lines = result.out.splitlines()
        if lines[-1:] != ["end"] or not lines[0].startswith("manager "):
            raise FactError(f"The package manager of {self.target} could not be asked: {result.err.strip()[-300:] or 'no answer'}")
        words = [line.split(" ") for line in lines]
        has, offers = ({one[1] for one in words if one[0] == word and len(one) > 1} for word in ("has", "offers"))
        ours = set(self.names)
        return Offer(words[0][1], ["lists", "yes"] in words, tuple(sorted(has & ours)), tuple(sorted(offers & ours)))


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
            raise FactError(f"apt cannot install {', '.join(self.names)} on {self.target}: {' '.join(said.split())[-400:]}")
        acts = re.findall(r"(?m)^(Inst|Remv) (\S+)(?: \[(\S+)\])?", result.out)
        return Effects(
            new=tuple(sorted(name for act, name, old in acts if act == "Inst" and not old)),
            changed=tuple(sorted(name for act, name, old in acts if act == "Inst" and old)),
            removed=tuple(sorted(name for act, name, _ in acts if act == "Remv")),
        )
