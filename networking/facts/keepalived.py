"""keepalived on a host: its configuration, whether it runs, and which addresses it holds by VRRP."""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import ClassVar

from networking.facts import asking
from opsportal.operations.facts import Fact
from opsportal.transport.base import Result
from opsportal.transport.command import Command

PATH = "/etc/keepalived/keepalived.conf"
SCRIPT = f"""{asking.PRELUDE}
part version
if command -v keepalived >/dev/null 2>&1; then keepalived --version 2>&1 | head -n 1
part service; systemctl is-active keepalived 2>&1; systemctl is-enabled keepalived 2>&1
part there; if root test -e {PATH}; then echo yes; else echo no; fi
part file; root cat {PATH} 2>/dev/null | sed 's/^/|/'
else echo {asking.ABSENT}; fi
part end
"""
"""Lines of the file begin with a bar, so that none of them can be taken for the beginning of a part."""

ROUTER = re.compile(r"^\s*virtual_router_id\s+(\d+)", re.MULTILINE)
INTERFACE = re.compile(r"^\s*interface\s+(\S+)", re.MULTILINE)
INSTANCE = re.compile(r"^\s*vrrp_instance\s+(\S+)\s*\{(.*?)^\}", re.MULTILINE | re.DOTALL)


@dataclass(frozen=True)
class Instance:
    name: str
    interface: str
    router: int | None


@dataclass(frozen=True)
class Keepalived:
    """`text` is the configuration file, "" for an empty one or none (`existed`)."""

    version: str
    active: bool
    enabled: bool
    existed: bool
    text: str

    def instances(self) -> tuple[Instance, ...]:
        """What the file says, for people and guards: keepalived itself judges whether it is right."""
        found = []
        for name, body in INSTANCE.findall(self.text):
            interface, router = INTERFACE.search(body), ROUTER.search(body)
            found.append(Instance(name, interface[1] if interface else "", int(router[1]) if router else None))
        return tuple(found)


@dataclass(frozen=True)
class KeepalivedConfig(Fact[Keepalived | None]):
    """keepalived's configuration and whether it runs. None where it is not installed."""

    timeout: ClassVar[float] = 40

    def command(self) -> Command:
        return Command(script=SCRIPT, gist=f"keepalived --version; systemctl is-active keepalived; cat {PATH}")

    def parse(self, result: Result) -> Keepalived | None:
        parts = asking.parts(result)
        if parts["version"] == [asking.ABSENT]:
            return None
        words = re.search(r"v\d+(?:\.\d+)+", " ".join(parts["version"]))
        service = [*parts["service"], "", ""]
        lines = [line.removeprefix("|") for line in parts["file"]]
        text = "\n".join(lines) + "\n" if lines else ""
        return Keepalived(words[0][1:] if words else "", service[0] == "active", service[1] == "enabled", parts["there"] == ["yes"], text)
