"""Link two switches over a tunnel: both ends in one plan, proved from both sides."""

from __future__ import annotations

import dataclasses
import secrets
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from typing import Any, ClassVar

from django import forms
from django.core.exceptions import ValidationError

from hosts.models import Host
from networking import changes, guarded, host_guards, link_guards, rules, tunnels
from networking.changes import Change
from networking.forms import PLAIN, name_field
from networking.link_guards import End, ends, size
from opsportal.operations.facts import FactSet
from opsportal.operations.guards import Guard
from opsportal.operations.runbook import NothingToDo, Page, Risk, Runbook
from opsportal.operations.steps import CannotUndo, Condition, Effect, Step, WaitFor


@dataclass(frozen=True)
class LinkParams:
    """Without `mtu` it is what fits. `underlay` and `address` are those of the end itself. Satisfies `link_guards.Linked`."""

    host: int = 0
    other: int = 0
    bridge: str = ""
    kind: str = "vxlan"
    number: int | None = None
    tunnel: str = "vx0"
    underlay: str = ""
    other_underlay: str = ""
    port: str = "vi0"
    address: str = ""
    other_address: str = ""
    mtu: int | None = None
    timer: int = 60
    token: str = ""


FIRST, SECOND = "addresses of the one host", "addresses of the other"
"""Names of what pages show, and where the form finds it."""


class EndsForm(forms.Form):
    host = forms.ModelChoiceField(Host.objects.order_by("sort_name"), label="One host", empty_label="Choose a host")
    underlay = forms.GenericIPAddressField(label="Its address for the tunnel", widget=PLAIN, help_text="Where the other host reaches it.")
    other = forms.ModelChoiceField(Host.objects.order_by("sort_name"), label="The other host", empty_label="Choose a host")
    other_underlay = forms.GenericIPAddressField(label="Its address for the tunnel", widget=PLAIN)
    kind = forms.ChoiceField(label="Kind", choices=tunnels.KINDS, initial="vxlan")
    number = forms.IntegerField(label="Key", required=False, min_value=0, help_text="VNI or GRE key, the same at both ends. Empty: none.")

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self.initial = {**self.initial, **{name: self.initial.get(name) or None for name in ("host", "other")}}

    def look(self, found: dict[str, Any]) -> None:
        for name, shown in (("underlay", FIRST), ("other_underlay", SECOND)):
            said = found.get(shown) or []
            self.fields[name].help_text = f"It has {', '.join(said)}." if said else "Where the other host reaches it."

    def clean(self) -> dict[str, Any]:
        data = super().clean() or {}
        if data.get("host") and data.get("host") == data.get("other"):
            self.add_error("other", ValidationError("A tunnel has two ends: choose another host."))
        bits = tunnels.KEY_BITS.get(data.get("kind", ""), 24)
        if data.get("number") is not None and data["number"] >= 2**bits:
            self.add_error(
                "number", ValidationError(f"A key of this kind has {bits} bits: at most {2**bits - 1}. A larger one is cut silently.")
            )
        one, two = data.get("underlay"), data.get("other_underlay")
        if one and two and (":" in one) != (":" in two):
            self.add_error("other_underlay", ValidationError("Both ends need addresses of one family."))
        return data


class PortsForm(forms.Form):
    bridge = name_field("Bridge", "On both hosts; made where it is not there yet.")
    tunnel = name_field("Name of the tunnel's end", "Such as vx0.")
    port = name_field("Name of the internal port", "The interface with an address, such as vi0.")
    address = forms.CharField(label="Address on the one host", max_length=60, widget=PLAIN, validators=[rules.cidr])
    other_address = forms.CharField(label="Address on the other", max_length=60, widget=PLAIN, validators=[rules.cidr])
    mtu = forms.IntegerField(
        label="MTU", required=False, validators=[rules.mtu], help_text="Empty: the largest that fits through the tunnel."
    )


def _wanted(params: LinkParams, facts: FactSet) -> host_guards.Wanted:
    if params.host and params.other and params.underlay and params.other_underlay:
        one, two = ends(params, facts)
        mtu = params.mtu or size(params, one, two).mtu
        for end in (one, two):
            yield end.host.name, end.seen, (boot for change in _changes(params, end, mtu) for boot in change.boot)


class LinkSwitches(Runbook[LinkParams]):
    name = "link-switches"
    title = "Link two switches"
    summary = "Connects bridges of two hosts over VXLAN, GRE or Geneve, with an address on either side and an MTU that fits."
    when = "When virtual machines or services of two hosts, or of two data centres, have to be in one network."
    goes_wrong = (
        "Other keys or ports at the two ends, or an address that is not routed, pass nothing and report nothing: only the pings at the "
        "end tell. A second tunnel between the same bridges makes a loop."
    )
    afterwards = "Both ends reached each other, with the largest packet that may pass and not with one byte more."
    risk = Risk.DANGEROUS
    approvals = 1
    params = LinkParams
    pages = (Page("ends", "Ends", EndsForm), Page("ports", "Ports", PortsForm))
    guards: ClassVar[tuple[Guard, ...]] = (*link_guards.RULES, host_guards.boot_files(_wanted))

    def fresh(self) -> dict[str, Any]:
        return {"token": secrets.token_hex(6)}

    def subject(self, params: LinkParams) -> str:
        names = dict(Host.objects.filter(pk__in=[params.host, params.other]).values_list("pk", "name"))
        return " and ".join(names[pk] for pk in (params.host, params.other) if pk in names)

    def locks(self, params: LinkParams) -> Iterable[str]:
        return sorted({f"host:{params.host}", f"host:{params.other}"})

    def look(self, page: str, params: LinkParams, facts: FactSet) -> dict[str, Any]:
        if not (params.host and params.other):
            return {}
        one, two = ends(params, facts)
        shown: dict[str, Any] = {FIRST: _addresses(one), SECOND: _addresses(two)}
        return {**shown, "MTU": size(params, one, two).said} if page != "ends" and params.underlay and params.other_underlay else shown

    def plan(self, params: LinkParams, facts: FactSet) -> Iterator[Step]:
        one, two = ends(params, facts)
        mtu = params.mtu or size(params, one, two).mtu
        steps = [step for end in (one, two) for step in _steps(end, list(_changes(params, end, mtu)), params)]
        if not steps:
            raise NothingToDo(f"{one.host.name} and {two.host.name} are linked like this already.")
        yield from steps
        yield from _proof(params, one, two, mtu)


def _addresses(end: End) -> list[str]:
    return [one.partition("/")[0] for nic in end.seen.kernel.nics if nic.kind != "loopback" and nic.up for one in nic.addresses]


def _changes(params: LinkParams, end: End, mtu: int) -> Iterator[Change]:
    assert end.seen.switches is not None
    yield changes.add_bridge(end.seen, params.bridge).unless(end.seen.switches.bridge(params.bridge) is not None)
    if not tunnels.same_tunnel(end.seen, params.bridge, params.tunnel, params.kind, end.remote, params.number):
        yield tunnels.add_tunnel(params.bridge, params.tunnel, params.kind, end.remote, params.number)
    nic = end.seen.kernel.nic(params.port)
    there = nic is not None and end.address in nic.addresses and nic.mtu == mtu
    yield changes.add_internal_port(params.bridge, params.port, None, mtu, (end.address,)).unless(there)


def _steps(end: End, found: list[Change], params: LinkParams) -> Iterator[Step]:
    named = [
        dataclasses.replace(one, key=f"end-{end.letter}", title=f"On {end.host.name}: {one.title[0].lower()}{one.title[1:]}")
        for one in found
    ]
    return guarded.whole(end.host, end.seen, named, f"{params.token}{end.letter}", params.timer, prefix=f"{end.letter}-")


def _proof(params: LinkParams, one: End, two: End, mtu: int) -> Iterator[Step]:
    """`ping -M do` with 28 bytes less than the MTU fills it exactly: 20 of IPv4 and 8 of ICMP (48 with IPv6)."""
    for end, far in ((one, two), (two, one)):
        address = far.address.partition("/")[0]
        fits = mtu - (48 if ":" in address else 28)
        yield Step(
            key=f"proof-{end.letter}",
            target=end.host.target,
            title=f"{end.host.name} reaches {far.host.name} through the tunnel",
            why="A tunnel is always up by its own word, and too large packets are dropped silently. Only pings tell, from both sides.",
            action=WaitFor(
                (
                    Condition(f"{address} answers", changes.asked("ping", "-c", "1", "-W", "2", address), within=20),
                    Condition(f"{mtu} bytes pass whole", changes.asked(*_whole(fits, address)), within=10),
                    Condition("One byte more is refused here, not lost on the way", changes.asked(*_whole(fits + 1, address)), "exit", "1"),
                )
            ),
            effect=Effect.NONE,
            interruptible=True,
            expect=(),
            probe=(),
            undo=CannotUndo("It only looks."),
        )


def _whole(size: int, address: str) -> tuple[str, ...]:
    return ("ping", "-c", "1", "-W", "2", "-M", "do", "-s", str(size), address)
