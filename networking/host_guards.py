"""The part of the rulebook that speaks of one host's network."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Protocol

from networking.facts.kernel import KernelNetwork
from networking.facts.portal import HostData, InventoryHost
from networking.facts.switches import SwitchConfig
from networking.pictures import ours
from networking.seen import Seen
from opsportal.operations.facts import FactError, FactSet
from opsportal.operations.guards import Finding, Level, guard

VSCTL = "ovs-vsctl's manual and its NEWS for 3.6."
OBSERVED = "Observed with Open vSwitch 3.1 on Debian 12."


class OnOne(Protocol):
    @property
    def host(self) -> int: ...


def network(params: OnOne, facts: FactSet) -> tuple[HostData, Seen]:
    """Without what moves by itself, so that a plan lasts. Raises `FactError` for a host without Open vSwitch."""
    host = facts(InventoryHost("portal", params.host))
    facts.need(SwitchConfig(host.target), KernelNetwork(host.target))
    switches = facts(SwitchConfig(host.target))
    if switches is None:
        raise FactError(f"{host.name} has no Open vSwitch. Install it first.")
    return host, Seen(switches, None, facts(KernelNetwork(host.target)))


@guard(
    "network.readable",
    title="The host's network can be read",
    reason="A plan rests on what Open vSwitch and the kernel have now. Without an answer nothing can be planned, and nothing taken back.",
    source=VSCTL,
)
def readable(params: OnOne, facts: FactSet) -> Iterator[Finding]:
    if params.host:
        try:
            network(params, facts)
        except FactError as error:
            yield Finding(Level.BLOCK, str(error), "host")


@guard(
    "network.way-in",
    title="Over what the portal itself comes in",
    reason="Who changes the interface, bond or bridge that carries his own connection cuts the branch he sits on.",
    source="The kernel's addresses and the SSH server's own word for where a connection came in.",
)
def way_in(params: OnOne, facts: FactSet) -> Iterator[Finding]:
    if not params.host:
        return
    host, seen = network(params, facts)
    if not seen.kernel.ours:
        yield Finding(
            Level.WARN,
            f"{host.name} does not say over which interface the portal comes in, so no change there can be recognised as touching it.",
        )
    else:
        names = ", ".join(sorted(ours(seen)))
        yield Finding(Level.NOTE, f"The portal comes in over {names}. A change that touches these runs under the timer.")
