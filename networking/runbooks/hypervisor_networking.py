"""The network of hypervisors by a saved design: bridges, bond, VLANs and the management address, one host after the other."""

from __future__ import annotations

import dataclasses
import secrets
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from typing import Any, ClassVar

from django import forms

from hosts.models import Host
from networking import changes, design_guards, guarded, rules, tasks
from networking.changes import Change
from networking.design import Design
from networking.design_guards import readings, saved
from networking.facts.portal import DesignData, HostData
from networking.forms import HostsField
from networking.matching import differences, wanted
from networking.models import NetworkDesign
from networking.seen import Seen
from opsportal.operations.facts import FactSet
from opsportal.operations.guards import Guard
from opsportal.operations.runbook import NothingToDo, Page, Risk, Runbook
from opsportal.operations.steps import Step


@dataclass(frozen=True)
class HypervisorNetworkingParams:
    """`hosts` in the order in which they are worked on. Satisfies `design_guards.Applied`."""

    design: int = 0
    hosts: tuple[int, ...] = ()
    timer: int = 60
    token: str = ""


class ApplyForm(forms.Form):
    design = forms.ModelChoiceField(
        NetworkDesign.objects.order_by("name"), label="Network design", empty_label="Choose a design",
        help_text="Designs are written under Networks, Designs.",
    )  # fmt: skip
    hosts = HostsField(label="Hosts", help_text="One after the other, in the order of this list. It stops at the first that fails.")
    timer = forms.IntegerField(
        min_value=rules.TIMER[0], max_value=rules.TIMER[1], initial=60, label="Take back after",
        help_text="Seconds. What is not proved and confirmed in time is taken back by the host itself.",
    )  # fmt: skip

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self.initial = {**self.initial, "design": self.initial.get("design") or None}


class HypervisorNetworking(Runbook[HypervisorNetworkingParams]):
    name = "hypervisor-networking"
    title = "Hypervisor networking"
    summary = "Brings one or many hosts to a saved network design: bridges, bond, VLANs, and the management address in its place."
    when = "To turn plain Linux boxes with Open vSwitch into hypervisors, and to bring one back that differs from the others."
    goes_wrong = (
        "A switch that does not speak LACP, or does not pass the VLAN of the management address, cuts the host off. What is not proved is "
        "not confirmed: the host takes all of it back by itself, and the hosts after it are not touched. Take the operation up again when "
        "the switch is mended; hosts that are done stay as they are."
    )
    afterwards = "Every host has the design, and was reached over a new connection. Undo brings each back to what it had."
    risk = Risk.DANGEROUS
    approvals = 1
    params = HypervisorNetworkingParams
    pages = (Page("hosts", "Design and hosts", ApplyForm),)
    guards: ClassVar[tuple[Guard, ...]] = design_guards.RULES
    plans_the_rest = True

    def fresh(self) -> dict[str, Any]:
        return {"token": secrets.token_hex(6)}

    def subject(self, params: HypervisorNetworkingParams) -> str:
        design = NetworkDesign.objects.filter(pk=params.design).first()
        names = dict(Host.objects.filter(pk__in=params.hosts).values_list("pk", "name"))
        hosts = [names[pk] for pk in params.hosts if pk in names]
        said = f"{', '.join(hosts[:3])}{f' and {len(hosts) - 3} more' if len(hosts) > 3 else ''}"
        return " on ".join(part for part in (str(design or ""), said) if part)

    def locks(self, params: HypervisorNetworkingParams) -> Iterable[str]:
        return sorted({f"host:{pk}" for pk in params.hosts})

    def finished(self, operation_id: int, state: str) -> None:
        tasks.read_again(operation_id)

    def look(self, page: str, params: HypervisorNetworkingParams, facts: FactSet) -> dict[str, Any]:
        """By host, how it differs."""
        if not (params.design and params.hosts):
            return {}
        design = saved(params, facts).design
        return {f"host {host.name}": _differs(design, seen) or "has it already" for host, seen in readings(params, facts)}

    def plan(self, params: HypervisorNetworkingParams, facts: FactSet) -> Iterator[Step]:
        found = saved(params, facts)
        steps = [step for host, seen in readings(params, facts) for step in _steps(params, host, seen, found)]
        if not steps:
            raise NothingToDo(f"Every host has the design {found.name} already.")
        yield from steps


def _differs(design: Design, seen: Seen) -> list[str]:
    return [part.says for part in differences(design, seen)]


def _steps(params: HypervisorNetworkingParams, host: HostData, seen: Seen, found: DesignData) -> Iterator[Step]:
    one = _one(host, seen, found.name, found.design)
    return guarded.whole(host, seen, one, f"{params.token}-{host.pk}", params.timer, f"h{host.pk}-", always=True)


def _one(host: HostData, seen: Seen, name: str, design: Design) -> Sequence[Change]:
    """All that is done on a host as one change, which is taken back as one; behind it what is there and has to outlive a reboot."""
    found = wanted(design, seen)
    live = [change for change in found if change.do]
    if not live:
        return found
    whole = dataclasses.replace(
        changes.joined(live),
        key="design",
        title=f"Bring {host.name} to the design {name}",
        why=" ".join((f"It {'; '.join(_differs(design, seen))}.", *(f"{one.title}: {one.why}" for one in live if one.touches))),
        boot=tuple(boot for change in found for boot in change.boot),
    )
    return [whole]
