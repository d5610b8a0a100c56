"""The part of the rulebook that speaks of a network design on many hosts."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Protocol

from networking.facts.portal import DesignData, HostData, InventoryHost, SavedDesign
from networking.host_guards import OBSERVED, READ, VSCTL, Wanted, boot_files, network
from networking.matching import differences, wanted
from networking.pictures import ours
from networking.seen import Seen
from opsportal.operations.facts import FactError, FactSet
from opsportal.operations.guards import Finding, Level, guard


class Applied(Protocol):
    """Parameters of it; read-only, so that a frozen dataclass satisfies it."""

    @property
    def design(self) -> int: ...
    @property
    def hosts(self) -> tuple[int, ...]: ...


@dataclass(frozen=True)
class _One:
    host: int


def readings(params: Applied, facts: FactSet) -> list[tuple[HostData, Seen]]:
    """Of every host, in the order in which they are worked on. Raises `FactError` for the first that cannot be read."""
    _ask(params, facts)
    return [network(_One(pk), facts) for pk in params.hosts]


def _ask(params: Applied, facts: FactSet) -> None:
    """All at once, so that many hosts are read side by side."""
    facts.need(*(InventoryHost("portal", pk) for pk in params.hosts))
    known = [found.target for pk in params.hosts if isinstance(found := facts.try_(InventoryHost("portal", pk)), HostData)]
    facts.need(*(fact(target) for target in known for fact in READ))


def saved(params: Applied, facts: FactSet) -> DesignData:
    return facts(SavedDesign("portal", params.design))


def _each(params: Applied, facts: FactSet) -> Iterator[tuple[HostData, Seen]]:
    """Those that can be read; of the others another rule speaks."""
    _ask(params, facts)
    for pk in params.hosts:
        try:
            yield network(_One(pk), facts)
        except FactError:
            continue


@guard("network.design-readable", title="Every host can be read", reason="A plan rests on what each host has now.", source=VSCTL)
def readable(params: Applied, facts: FactSet) -> Iterator[Finding]:
    _ask(params, facts)
    for pk in params.hosts:
        try:
            network(_One(pk), facts)
        except FactError as error:
            yield Finding(Level.BLOCK, str(error), "hosts")


@guard(
    "network.design-fits",
    title="The design can be had on every host",
    reason="A NIC that is missing or plugged elsewhere, or a name that means something else, needs a person's decision.",
    source=VSCTL,
)
def fits(params: Applied, facts: FactSet) -> Iterator[Finding]:
    if not params.design:
        return
    design = saved(params, facts).design
    for host, seen in _each(params, facts):
        for part in differences(design, seen):
            if part.stuck:
                yield Finding(Level.BLOCK, f"{host.name} {part.says}.", "hosts")


@guard(
    "network.design-signal",
    title="The NICs have a signal",
    reason="A bond of NICs without a cable carries nothing.",
    source=OBSERVED,
)
def signal(params: Applied, facts: FactSet) -> Iterator[Finding]:
    if not params.design:
        return
    design = saved(params, facts).design
    for host, seen in _each(params, facts):
        dark = [nic.name for name in design.nics if (nic := seen.kernel.nic(name)) and nic.up and not nic.carrier]
        if dark:
            yield Finding(Level.WARN, f"{host.name}: {', '.join(dark)} is switched on and has no signal. Look at its cable.", "hosts")


@guard(
    "network.design-switch-ready",
    title="The switch is ready for what the design wants of it",
    reason="A bond with LACP carries nothing until the switch speaks it too; a management address in a VLAN needs ports that pass it.",
    source=OBSERVED,
)
def switch_ready(params: Applied, facts: FactSet) -> Iterator[Finding]:
    if not params.design:
        return
    design = saved(params, facts).design
    changing = [host.name for host, seen in _each(params, facts) if differences(design, seen)]
    if not changing:
        return
    tags = {vlan.name: vlan.tag for vlan in design.vlans}
    if design.bonded and design.lacp != "off":
        yield Finding(
            Level.WARN,
            f"The switch has to have {' and '.join(design.nics)} of each host in one LACP group before. Where it has not, nothing is "
            "negotiated, and that host is taken back.",
        )
    if design.management in tags:
        yield Finding(
            Level.WARN,
            f"The management address goes into {design.management}: the switch's ports have to pass VLAN {tags[design.management]} with "
            "its tag. Until now it came without one.",
        )


@guard(
    "network.design-name-servers",
    title="Name servers outlive a reboot",
    reason="systemd-resolved forgets what it knows of an interface when that has no address any more, and the host finds no names.",
    source="The manual of systemd-resolved.",
)
def name_servers(params: Applied, facts: FactSet) -> Iterator[Finding]:
    if not params.design:
        return
    design = saved(params, facts).design
    for host, seen in _each(params, facts):
        held = dict(seen.kernel.servers).get(seen.kernel.ours)
        if held and design.management not in ("", seen.kernel.ours):
            yield Finding(
                Level.WARN,
                f"{host.name} has its name servers {', '.join(held)} by systemd-resolved for {seen.kernel.ours} alone. They move with the "
                "address now; for the next boot write them into DNS= of /etc/systemd/resolved.conf.",
                "hosts",
            )


@guard(
    "network.design-way-in",
    title="Over what the portal itself comes in",
    reason="Who changes the interface, bond or bridge that carries his own connection cuts the branch he sits on.",
    source="The kernel's addresses and the SSH server's own word for where a connection came in.",
)
def way_in(params: Applied, facts: FactSet) -> Iterator[Finding]:
    if not params.design:
        return
    design, touched = saved(params, facts).design, list[str]()
    for host, seen in _each(params, facts):
        names = {name for change in wanted(design, seen) if change.do for name in change.touches}
        touched += [host.name] if names & ours(seen) else []
    if touched:
        yield Finding(
            Level.NOTE, f"The portal's own connection is touched on {', '.join(touched)}: what cuts it comes back with the timer."
        )


def _wanted(params: Applied, facts: FactSet) -> Wanted:
    if not params.design:
        return
    design = saved(params, facts).design
    for host, seen in _each(params, facts):
        yield host.name, seen, (boot for change in wanted(design, seen) for boot in change.boot)


RULES = (readable, fits, signal, switch_ready, name_servers, boot_files(_wanted), way_in)
