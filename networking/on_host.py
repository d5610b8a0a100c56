"""What all runbooks share that change the network of one host."""

from __future__ import annotations

import secrets
from abc import abstractmethod
from collections.abc import Iterable, Iterator
from dataclasses import asdict, dataclass
from typing import Any, ClassVar, Generic, Protocol, TypeVar

from hosts.models import Host
from networking import guarded, host_guards, tasks
from networking.changes import Change
from networking.facts.portal import HostData
from networking.host_guards import OnOne, network
from networking.pictures import ours
from networking.seen import Seen
from opsportal.operations.facts import FactSet
from opsportal.operations.guards import Guard
from opsportal.operations.runbook import NothingToDo, Risk, Runbook
from opsportal.operations.steps import Step


class Guarded(OnOne, Protocol):
    """Parameters of such a runbook. `token` names this run's folder and timer on the host."""

    @property
    def timer(self) -> int: ...
    @property
    def token(self) -> str: ...


@dataclass(frozen=True)
class OneHost:
    """`host` is its number in the inventory, `timer` in seconds."""

    host: int = 0
    timer: int = 60
    token: str = ""


P = TypeVar("P", bound=Guarded)


class OnHost(Runbook[P], Generic[P]):
    """A subclass says in `changes` what it does, for a network that its own `guards` have nothing against."""

    risk = Risk.DANGEROUS
    approvals = 1
    goes_wrong = (
        "A change that touches what carries the portal's own connection runs under a timer on the host: unless it is confirmed over a new "
        "connection in time, the host takes it back by itself. What fails half-way is taken back at once."
    )
    afterwards = "The result was read back from Open vSwitch and the kernel. Undo takes it back."
    rules: ClassVar[tuple[Guard, ...]] = ()
    guards: ClassVar[tuple[Guard, ...]] = ()
    plans_the_rest = True

    def __init_subclass__(cls, **kwargs: Any) -> None:
        super().__init_subclass__(**kwargs)
        cls.guards = (host_guards.readable, *cls.rules, host_guards.boot_files(cls._wanted), host_guards.way_in)

    @classmethod
    def _wanted(cls, params: Any, facts: FactSet) -> host_guards.Wanted:
        """Nothing of one with a plan of its own: it leads the switch elsewhere and changes no interface."""
        if params.host and cls.plan is OnHost.plan:
            seen = network(params, facts)[1]
            yield "", seen, (boot for change in cls().changes(params, seen) for boot in change.boot)

    def fresh(self) -> dict[str, Any]:
        return {"token": secrets.token_hex(6)}

    def subject(self, params: P) -> str:
        host = Host.objects.filter(pk=params.host).first()
        return " on ".join(part for part in (self.about(params), host.name if host else "") if part)

    def locks(self, params: P) -> Iterable[str]:
        yield f"host:{params.host}"

    def finished(self, operation_id: int, state: str) -> None:
        tasks.read_again(operation_id)

    def look(self, page: str, params: P, facts: FactSet) -> dict[str, Any]:
        if not params.host:
            return {}
        host, seen = network(params, facts)
        return choices(host, seen)

    def plan(self, params: P, facts: FactSet) -> Iterator[Step]:
        host, seen = network(params, facts)
        steps = list(guarded.whole(host, seen, list(self.changes(params, seen)), params.token, params.timer))
        if not steps:
            raise NothingToDo(f"{host.name} has it already: {self.about(params)}.")
        yield from steps

    @abstractmethod
    def about(self, params: P) -> str:
        """What is changed, in a few words: "br0"."""

    @abstractmethod
    def changes(self, params: P, seen: Seen) -> Iterable[Change]:
        """In order; what is there already as a change without commands (`Change.unless`)."""


def choices(host: HostData, seen: Seen) -> dict[str, Any]:
    """What forms offer and pages show: plain JSON."""
    switches = seen.switches
    plugged = {one.name for bridge in (switches.bridges if switches else ()) for port in bridge.ports for one in port.interfaces}
    carries = ours(seen)
    return {
        "host": host.name,
        "bridges": [bridge.name for bridge in switches.bridges] if switches else [],
        "ports": [
            {"name": port.name, "bridge": bridge.name, "fake": port.fake_bridge, "tag": port.tag}
            for bridge in (switches.bridges if switches else ())
            for port in bridge.ports
            if port.name != bridge.name
        ],
        "nics": [
            {**asdict(nic), "ours": nic.name in carries}
            for nic in seen.kernel.nics
            if nic.kind in ("physical", "veth") and nic.name not in plugged and not nic.master
        ],
        "carries": sorted(carries),
        "taken": sorted({nic.name for nic in seen.kernel.nics} | plugged),
    }
