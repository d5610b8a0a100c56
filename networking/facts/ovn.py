"""OVN on a host: whether it is installed, how its service starts, and whether it talks with the southbound database."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

from networking.facts import asking
from networking.facts.controller import FOLDER
from opsportal.operations.facts import Fact
from opsportal.transport.base import Result
from opsportal.transport.command import Command

CA = f"{FOLDER}/ovn-cacert.pem"
"""Whom ovn-controller believes. Its own file: the one of a manager may change."""

SCRIPT = (
    f"""{asking.PRELUDE}
ca={CA}"""
    r"""
part version
if command -v ovn-controller >/dev/null 2>&1; then
ovn-controller --version | head -n 1
part unit
if systemctl cat ovn-host >/dev/null 2>&1; then unit=ovn-host options=/etc/default/ovn-host
else unit=ovn-controller options=/etc/sysconfig/ovn; fi
echo "$unit"; echo "$options"; systemctl is-active ovn-controller 2>&1 | head -n 1; systemctl is-enabled $unit 2>&1 | head -n 1
part options-there; root test -e "$options" && echo yes
part options; root cat "$options" 2>/dev/null | sed 's/^/|/'
part ca-there; root test -e "$ca" && echo yes
part ca; root cat "$ca" 2>/dev/null | sed 's/^/|/'
else echo absent; fi
part end
"""
)


@dataclass(frozen=True)
class Ovn:
    """`active` is ovn-controller's own service: Debian's ovn-host, its `unit`, says "active" whatever became of it.

    `options` is the text of the file with the daemon's options, `ca` that of the certificate it believes; "" for none.
    """

    version: str
    unit: str
    options_path: str
    active: bool
    enabled: bool
    options_there: bool
    options: str
    ca_there: bool
    ca: str


@dataclass(frozen=True)
class OvnState(Fact[Ovn | None]):
    """None where ovn-controller is not installed."""

    timeout: ClassVar[float] = 40

    def command(self) -> Command:
        return Command(script=SCRIPT, gist="ovn-controller --version; systemctl is-active ovn-host; cat /etc/default/ovn-host")

    def parse(self, result: Result) -> Ovn | None:
        parts = asking.parts(result)
        if parts["version"] == [asking.ABSENT]:
            return None
        unit, path, active, enabled, *_ = [*parts["unit"], "", "", "", ""]
        version = "".join(parts["version"]).rpartition(" ")[2]
        there = {name: parts[name] == ["yes"] for name in ("options-there", "ca-there")}
        texts = {name: "".join(f"{line.removeprefix('|')}\n" for line in parts[name]) for name in ("options", "ca")}
        return Ovn(
            version, unit, path, active == "active", enabled == "enabled", there["options-there"], texts["options"], there["ca-there"],
            texts["ca"],
        )  # fmt: skip


@dataclass(frozen=True)
class OvnConnection(Fact[str]):
    """What ovn-controller says of its connection: "connected", or something else; "" when it does not run."""

    volatile = True

    def command(self) -> Command:
        script = f"{asking.PRELUDE}\nlimited ovn-appctl -t ovn-controller connection-status 2>/dev/null; exit 0"
        return Command(script=script, gist="ovn-appctl -t ovn-controller connection-status")

    def parse(self, result: Result) -> str:
        return result.out.strip()
