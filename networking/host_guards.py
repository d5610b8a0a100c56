"""The part of the rulebook that speaks of one host's network."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable, Iterable, Iterator
from typing import Any, Protocol

from networking.facts.armed import FOLDER, ArmedGuards
from networking.facts.boot import BootConfig
from networking.facts.kernel import KernelNetwork
from networking.facts.portal import HostData, InventoryHost
from networking.facts.switches import SwitchConfig
from networking.persistence.boot import Boot
from networking.persistence.findings import conflicts
from networking.pictures import ours
from networking.seen import Seen
from opsportal.operations.facts import FactError, FactSet
from opsportal.operations.guards import Finding, Guard, Level, guard

VSCTL = "ovs-vsctl's manual and its NEWS for 3.6."
OBSERVED = "Observed with Open vSwitch 3.1 on Debian 12."


READ = (SwitchConfig, KernelNetwork, BootConfig, ArmedGuards)


class OnOne(Protocol):
    @property
    def host(self) -> int: ...


def network(params: OnOne, facts: FactSet) -> tuple[HostData, Seen]:
    """Without what moves by itself, so that a plan lasts. Raises `FactError` for a host without Open vSwitch, and for one that is about to
    take a change back: what it has now is not what it will have.
    """
    host = facts(InventoryHost("portal", params.host))
    facts.need(*(fact(host.target) for fact in READ))
    if armed := facts(ArmedGuards(host.target)):
        raise FactError(
            f"{host.name} has a change that nobody confirmed, and takes it back when its timer runs out ({FOLDER}/{armed[0]}). "
            "Read again when it has."
        )
    switches = facts(SwitchConfig(host.target))
    if switches is None:
        raise FactError(f"{host.name} has no Open vSwitch. Install it first.")
    return host, Seen(switches, None, facts(KernelNetwork(host.target)), facts(BootConfig(host.target)))


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


Wanted = Iterable[tuple[str, Seen, Iterable[Boot]]]
"""What a change wants after a reboot: by host, whose name is "" where there is but one."""


def boot_files(wanted: Callable[[Any, FactSet], Wanted]) -> Guard:
    """One rule for every runbook; `wanted` may raise `FactError`, of which another rule speaks."""

    def check(params: Any, facts: FactSet) -> Iterator[Finding]:
        try:
            found = [(name, finding) for name, seen, boots in wanted(params, facts) for finding in conflicts(boots, seen)]
        except FactError:
            return
        yield from (dataclasses.replace(one, message=f"{name}: {one.message}" if name else one.message) for name, one in found)

    return Guard(
        "network.boot-files",
        "People's files for the next boot agree",
        "A reboot brings back what the host's files say. The portal writes files of its own and changes no line of other people, so that "
        "both can speak of one interface.",
        "Observed with ifupdown, netplan and systemd-networkd, by pulling the plug.",
        check,
    )
