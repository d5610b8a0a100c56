"""A failover drill: the holder of a virtual address steps down, and what that costs is counted."""

from __future__ import annotations

import secrets
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from typing import Any, ClassVar

from django import forms
from django.core.exceptions import ValidationError

from hosts.models import Host
from networking import drill, vrrp_guards
from networking.changes import JUDGE, RUN, asked
from networking.facts.portal import InventoryHost
from networking.forms import PLAIN, HostsField, name_field
from networking.rules import cidr
from networking.vrrp import Virtual
from networking.vrrp_guards import Place, places
from opsportal.operations.facts import FactError, FactSet
from opsportal.operations.guards import Finding, Guard, Level, guard
from opsportal.operations.runbook import Page, Risk, Runbook
from opsportal.operations.steps import Condition, Effect, NothingToUndo, RunCommand, Step, WaitFor, WayBack
from opsportal.transport.command import Command


@dataclass(frozen=True)
class DrillParams:
    """`seconds` is how long pings go on. Satisfies `vrrp_guards.OnHosts`."""

    hosts: tuple[int, ...] = ()
    observer: int = 0
    interface: str = ""
    address: str = ""
    seconds: int = 20
    token: str = ""
    name: str = ""
    router: int = 0

    @property
    def addresses(self) -> tuple[str, ...]:
        return (self.address,) if self.address else ()

    @property
    def virtual(self) -> Virtual:
        return Virtual(self.name, self.interface, self.router, self.addresses)


class DrillForm(forms.Form):
    hosts = HostsField(label="Hosts that share the address")
    interface = name_field("Interface", "The one with the address, such as vi0.")
    address = forms.CharField(label="Virtual address", max_length=60, widget=PLAIN, validators=[cidr], help_text="With its prefix.")
    observer = forms.ModelChoiceField(
        Host.objects.order_by("sort_name"),
        label="Pings come from",
        empty_label="Choose a host",
        help_text="Best a third machine of the network.",
    )
    seconds = forms.IntegerField(label="Seconds of pings", min_value=15, max_value=60, initial=20)

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self.initial = {**self.initial, "observer": self.initial.get("observer") or None}

    def clean_hosts(self) -> list[int]:
        chosen = [host.pk for host in self.cleaned_data["hosts"]]
        if len(chosen) < 2:
            raise ValidationError("Choose all hosts that share the address: two at least.")
        return chosen


def holders(params: DrillParams, facts: FactSet) -> tuple[list[Place], list[Place]]:
    """Those that have the address now, and the others."""
    found = places(params, facts)
    have = [place for place in found if place.nic and params.address in place.nic.addresses]
    return have, [place for place in found if place not in have]


@guard(
    "vrrp.one-holder",
    title="Exactly one host holds the address",
    reason="A drill of what is broken already proves nothing, and may take the last holder away.",
    source="The kernel's addresses on every host.",
)
def one_holder(params: DrillParams, facts: FactSet) -> Iterator[Finding]:
    if not (params.hosts and params.interface and params.address):
        return
    try:
        have, others = holders(params, facts)
    except FactError:
        return
    if len(have) != 1:
        names = ", ".join(place.host.name for place in have) or "none of them"
        yield Finding(Level.BLOCK, f"{params.address} is held by {names}. It has to be exactly one before a drill.", "address")
    for place in others:
        if not place.running:
            yield Finding(Level.BLOCK, f"keepalived does not run on {place.host.name}, so nobody there can take over.", "hosts")
    if have and params.observer == have[0].host.pk:
        yield Finding(Level.BLOCK, f"{have[0].host.name} holds the address itself and would notice nothing.", "observer")


class FailoverDrill(Runbook[DrillParams]):
    name = "failover-drill"
    title = "Failover drill"
    summary = "Stops keepalived on the holder of a virtual address, counts the pings that are lost, and starts it again."
    when = "Before one relies on a virtual address, and after every change of the network below it."
    goes_wrong = "If nobody takes over, the address is away until keepalived runs again: the plan starts it whatever happens."
    afterwards = "How many pings were lost, and when, is drawn in the log. keepalived runs everywhere again."
    risk = Risk.DANGEROUS
    approvals = 1
    params = DrillParams
    pages = (Page("drill", "Drill", DrillForm),)
    guards: ClassVar[tuple[Guard, ...]] = (vrrp_guards.readable, vrrp_guards.installed, one_holder)

    def fresh(self) -> dict[str, Any]:
        return {"token": secrets.token_hex(6)}

    def subject(self, params: DrillParams) -> str:
        return params.address

    def locks(self, params: DrillParams) -> Iterable[str]:
        return [f"host:{host}" for host in sorted({*params.hosts, *([params.observer] if params.observer else [])})]

    def plan(self, params: DrillParams, facts: FactSet) -> Iterator[Step]:
        have, others = holders(params, facts)
        if len(have) != 1 or not others:
            raise FactError(f"{params.address} is not held by exactly one of these hosts.")
        observer = facts(InventoryHost("portal", params.observer))
        holder, heir, plain = have[0], others[0], params.address.partition("/")[0]
        yield _step("ping", observer.target, f"Ping {plain} from {observer.name}", BEGINS, drill.begin(params.token, plain, params.seconds))
        yield _stop(params, holder)
        yield _taken(params, heir)
        yield _start(holder)
        count = drill.count(params.token)
        yield _step(
            "count",
            observer.target,
            "Count what was lost, and draw it",
            COUNTS,
            count,
            params.seconds + 90,
            record="networking.drill.summary",
        )


BEGINS = "So that the gap is seen by somebody who uses the address."
COUNTS = "This is what the drill is for: how long the address was away for those who need it."


def _step(key: str, target: str, title: str, why: str, command: Command, timeout: int = 30, record: str = "") -> Step:
    return Step(key, target, title, why, RunCommand(command, timeout), Effect.IDEMPOTENT, False, (), (), NothingToUndo(), record=record)


def _service(verb: str) -> RunCommand:
    return RunCommand(Command(script=f'{RUN}\nrun systemctl "$1" keepalived\n', argv=(verb,), gist=f"systemctl {verb} keepalived"), 60)


RUNS = Condition("keepalived runs", asked("systemctl", "is-active", "keepalived"), "equals", "active", within=10)


def _stop(params: DrillParams, holder: Place) -> Step:
    shown = asked("ip", "-o", "addr", "show", "dev", params.interface)
    return Step(
        key="stop",
        target=holder.host.target,
        title=f"Stop keepalived on {holder.host.name}",
        why=f"{holder.host.name} holds the address. A stop tells the others at once; a power cut is noticed after three advertisements.",
        action=_service("stop"),
        effect=Effect.IDEMPOTENT,
        interruptible=False,
        expect=(Condition("It holds the address", shown, JUDGE + "address", params.address),),
        probe=(Condition("It gave the address up", shown, JUDGE + "no_address", params.address, within=5),),
        undo=_service("start"),
        danger=True,
        opens=WayBack("keepalived", f"host:{holder.host.pk}", f"keepalived is stopped on {holder.host.name}", _service("start"), (RUNS,)),
    )


def _taken(params: DrillParams, heir: Place) -> Step:
    return Step(
        key="taken",
        target=heir.host.target,
        title=f"{heir.host.name} has taken it over",
        why="Otherwise the address is away, and the drill ends here.",
        action=WaitFor(
            (
                Condition(
                    f"{heir.host.name} holds {params.address}", asked("ip", "-o", "addr", "show", "dev", params.interface),
                    JUDGE + "address", params.address, within=15,
                ),
            )
        ),
        effect=Effect.NONE,
        interruptible=False,
        expect=(),
        probe=(),
        undo=NothingToUndo(),
    )  # fmt: skip


def _start(holder: Place) -> Step:
    return Step(
        key="start",
        target=holder.host.target,
        title=f"Start keepalived on {holder.host.name} again",
        why="With its higher priority it takes the address back, without a gap.",
        action=_service("start"),
        effect=Effect.IDEMPOTENT,
        interruptible=False,
        expect=(),
        probe=(RUNS,),
        undo=NothingToUndo(),
        settles="keepalived",
    )
