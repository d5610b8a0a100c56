"""Upgrade the agents of a cloud's KVM hosts: one host after the other, and CloudStack says of each which version called it."""

from __future__ import annotations

import secrets
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, replace
from typing import Any

from django import forms
from django.utils import timezone

from hosts.cloudstack import host_steps
from hosts.cloudstack.cloud_runbook import PartnersOf, cloud_now
from hosts.cloudstack.state import ENABLED, MAINTENANCE, UP, CloudHost, CloudState
from hosts.cloudstack.steps import Api, asks
from hosts.models import Cloud, CloudApi, Host, Kind
from opsportal.operations.facts import FactError, FactSet
from opsportal.operations.guards import Finding, Level, guard
from opsportal.operations.models import Operation
from opsportal.operations.runbook import NothingToDo, Page, Risk, Runbook
from opsportal.operations.steps import Effect, NothingToUndo, Step
from releases import servers, upgrade_judges, upgrade_steps, upgrade_survey
from releases.facts.delivery import BuildData, CloudHosts, ServerRow, TheBuild
from releases.facts.servers import Login, ServerLook, ServerMoment
from releases.models import Build
from releases.runbooks.upgrade_management_servers import HOW, WhatForm
from releases.upgrade_guards import lost_packages, lost_patches
from releases.upgrade_survey import Seen

CALLS = 600
"""Seconds that an agent may take to start and to be connected."""

DOCS = "CloudStack's upgrade instructions: the agents of KVM hosts, after the management servers"


@dataclass(frozen=True)
class AgentParams:
    """`how` is "copy" or "repository", as for management servers. `skip` are the inventory's numbers of hosts.

    With `empty` each host is in maintenance meanwhile; its moves may take `minutes`.
    """

    cloud: int = 0
    build: int = 0
    how: str = "copy"
    skip: tuple[int, ...] = ()
    empty: bool = False
    minutes: int = 240
    token: str = ""

    @property
    def whole(self) -> bool:
        return bool(self.cloud and self.build)

    @property
    def room(self) -> str:
        """Of the packages on each host: new ones, and those of before."""
        return f"/var/tmp/opsportal-{self.token}"  # noqa: S108 # its maker is asked for: see `servers.ROOM`


class AgentsForm(WhatForm):
    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self.fields["cloud"].help_text = "The agents of its KVM hosts are upgraded, one after the other."
        how = self.fields["how"]
        assert isinstance(how, forms.ChoiceField)
        how.choices = [one for one in HOW if one[0] != "war"]


class OrderForm(forms.Form):
    skip = forms.TypedMultipleChoiceField(
        label="Leave out", required=False, coerce=int, empty_value=[], choices=[], widget=forms.CheckboxSelectMultiple,
        help_text="Hosts that are upgraded another time. Those that have the build already are left alone anyway.",
    )  # fmt: skip
    empty = forms.BooleanField(
        required=False, label="Empty each host first",
        help_text="By CloudStack's maintenance. Virtual machines go on while an agent restarts, so this is for the careful.",
    )  # fmt: skip
    minutes = forms.IntegerField(label="Minutes that the moves of one host may take", min_value=5, max_value=24 * 60)

    def look(self, found: dict[str, Any]) -> None:
        field = self.fields["skip"]
        assert isinstance(field, forms.TypedMultipleChoiceField)
        rows = [(one["pk"], one["label"]) for one in found.get("choices") or ()]
        kept = [(pk, f"host {pk}") for pk in self.initial.get("skip") or () if pk not in dict(rows)]
        field.choices = [*rows, *kept]


@dataclass(frozen=True)
class Turn:
    """One host: what is installed there, and what CloudStack says of it (None where it does not know the host)."""

    seen: Seen
    there: CloudHost | None

    @property
    def name(self) -> str:
        return self.seen.row.name

    def has(self, version: str) -> bool:
        """The build's packages are there, and this version called CloudStack."""
        now = {was.name: was.version for was in self.seen.was}
        installed = bool(self.seen.new) and all(now.get(new.name) == new.version for new in self.seen.new)
        return installed and self.there is not None and self.there.state == UP and upgrade_judges.same(self.there.version, version)


@dataclass(frozen=True)
class Round:
    api: Api
    state: CloudState
    build: BuildData
    turns: tuple[Turn, ...]

    @property
    def todo(self) -> tuple[Turn, ...]:
        return tuple(one for one in self.turns if not one.has(self.build.version))


def survey(params: AgentParams, facts: FactSet) -> Round:
    """Raises `FactError` with a sentence for the operator when something cannot be read."""
    if not params.whole:
        raise FactError("Choose a cloud and a build.")
    cloud, build = facts(CloudHosts("portal", params.cloud, Kind.KVM)), facts(TheBuild("portal", params.build))
    api, state = cloud_now(params.cloud, facts)
    here = {row.pk: id for id, row in facts(PartnersOf("portal", params.cloud)).items()}
    rows = [row for row in cloud.rows if row.pk not in params.skip]
    if not rows:
        raise FactError(f"Every KVM host of {cloud.name} is left out.")
    facts.need(*(Login(row.target) for row in rows))
    sudo = {row: facts(Login(row.target)) for row in rows}
    facts.need(*(ServerLook(row.target, sudo[row], agent=True) for row in rows))
    moments = [_moment(row, sudo[row], facts) for row in rows]
    facts.need(*moments)
    turns = tuple(Turn(_seen(row, sudo[row], build, facts), state.host(here.get(row.pk, ""))) for row in rows)
    return Round(api, state, build, turns)


def _moment(row: ServerRow, sudo: bool, facts: FactSet) -> ServerMoment:
    look = facts(ServerLook(row.target, sudo, agent=True))
    return ServerMoment(row.target, sudo, look.unit, look.log, "/var/tmp")  # noqa: S108 # where the packages go, see `servers.ROOM`


def _seen(row: ServerRow, sudo: bool, build: BuildData, facts: FactSet) -> Seen:
    look = facts(ServerLook(row.target, sudo, agent=True))
    offered = build.packages(look.family)
    new = tuple(offered[one.name] for one in look.packages if one.name in offered)
    lacks = tuple(one.name for one in look.packages if one.name not in offered)
    return Seen(row, sudo, look, facts(_moment(row, sudo, facts)), new, lacks)


def _found(params: AgentParams, facts: FactSet) -> Round | None:
    return survey(params, facts) if params.whole else None


@guard(
    "agents.after-the-servers",
    title="The management servers come first",
    reason="An agent of a newer release may get commands that it does not know any more, from a server that does not know its answers.",
    source=DOCS,
)
def after_the_servers(params: AgentParams, facts: FactSet) -> Iterator[Finding]:
    found = _found(params, facts)
    if found and not upgrade_judges.same(found.state.version, found.build.version):
        message = f"The management servers run {found.state.version or 'an unknown version'} and the build is {found.build.version}."
        yield Finding(Level.BLOCK, f"{message} Run “Upgrade the management servers” first.", "build", True)


@guard(
    "agents.known",
    title="CloudStack reaches every host",
    reason="The version that CloudStack has of a host is the proof, and a host that is not connected says none.",
    source="CloudStack's API, listHosts (version)",
)
def known(params: AgentParams, facts: FactSet) -> Iterator[Finding]:
    if not (found := _found(params, facts)):
        return
    for one in found.todo:
        if one.there is None:
            message = f"CloudStack has no host at the address of {one.name}. Leave it out, or add it to CloudStack first."
            yield Finding(Level.BLOCK, message, "skip")
        elif one.there.state != UP:
            message = f"{one.name} is {one.there.state} in CloudStack. Leave it out, or run “Bring back a host in Alert” first."
            yield Finding(Level.BLOCK, message, "skip", True)
        elif "Maintenance" in one.there.resource and one.there.resource != MAINTENANCE:
            yield Finding(Level.BLOCK, f"{one.name} is in {one.there.resource} in CloudStack. Wait for it, or cancel it.", "skip")


@guard(
    "agents.packages",
    title="The build has what the hosts run",
    reason="Each of CloudStack's packages wants the others in exactly its own version, so all are upgraded together.",
    source="packaging/*/cloud.spec and debian/control",
)
def packages(params: AgentParams, facts: FactSet) -> Iterator[Finding]:
    if not (found := _found(params, facts)):
        return
    for one in found.todo:
        seen = one.seen
        if not any(new.name.endswith("-agent") for new in seen.new):
            kind = {"deb": "Debian package", "rpm": "RPM"}.get(seen.server.family, "package")
            message = f"{found.build.version} has no {kind} of the agent for {one.name}, or it was not installed there by a package."
            yield Finding(Level.BLOCK, message, "build")
        elif seen.lacks:
            yield Finding(Level.WARN, f"{one.name} also has {', '.join(seen.lacks)}, which the build has not got.", "build")
        if params.how == "repository" and (gone := upgrade_survey.offered(seen, facts)):
            message = (
                f"The package manager of {one.name} does not offer {', '.join(gone)}. Publish the build, and add the repository there."
            )
            yield Finding(Level.BLOCK, message, "how", override=True)


@guard(
    "agents.back",
    title="There is a way back",
    reason="The packages of before have to be at hand when the new ones fail: a repository may have dropped them.",
    source=DOCS,
)
def back(params: AgentParams, facts: FactSet) -> Iterator[Finding]:
    if found := _found(params, facts):
        yield from lost_packages((one.seen for one in found.todo), "skip", facts)


@guard(
    "agents.dropped",
    title="No patch that runs in production is lost",
    reason="A pull request that was in the release before and is not in this one is gone after the upgrade, and so is what it mended.",
    source="The portal's own record of builds, by the names and versions of the installed packages",
)
def dropped(params: AgentParams, facts: FactSet) -> Iterator[Finding]:
    if found := _found(params, facts):
        yield from lost_patches(found.build, (one.seen for one in found.todo), facts)


@guard(
    "agents.room",
    title="The hosts have room for each other's virtual machines",
    reason="On the last enabled host of a cluster CloudStack stops virtual machines instead of moving them.",
    source="CloudStack's source, ResourceManagerImpl.maintain and HighAvailabilityManagerImpl",
)
def room(params: AgentParams, facts: FactSet) -> Iterator[Finding]:
    if not params.empty or not (found := _found(params, facts)):
        return
    for one in found.todo:
        if one.there and not any(other.well for other in found.state.members(one.there.cluster) if other.id != one.there.id):
            message = f"{one.name} is the only enabled host of its cluster: emptied, its virtual machines stop."
            yield Finding(Level.BLOCK, f"{message} Upgrade it without emptying it: they go on.", "empty", True)


class UpgradeKvmAgents(Runbook[AgentParams]):
    name = "upgrade-kvm-agents"
    title = "Upgrade the KVM agents"
    summary = (
        "Installs a build's agent on the KVM hosts of a cloud, one after the other, each proved by the version that CloudStack has of it."
    )
    when = "After the management servers were upgraded, with the same build."
    goes_wrong = (
        "The first host whose agent does not come back in the new version ends it: the others keep the old one. Virtual machines go on "
        "while an agent is away. Undo installs the packages of before."
    )
    afterwards = "CloudStack says of every host that it is Up, with the agent of this build."
    risk = Risk.DISRUPTIVE
    approvals = 1
    params = AgentParams
    pages = (Page("what", "Cloud and build", AgentsForm), Page("order", "Hosts", OrderForm))
    guards = (after_the_servers, known, packages, back, dropped, room)
    plan_template = "releases/_agents_review.html"

    def initial(self) -> dict[str, Any]:
        return {"how": "copy", "minutes": AgentParams.minutes}

    def fresh(self) -> dict[str, Any]:
        return {"token": secrets.token_hex(6)}

    def subject(self, params: AgentParams) -> str:
        cloud, build = Cloud.objects.filter(pk=params.cloud).first(), Build.objects.filter(pk=params.build).first()
        return f"{cloud} to {build.version}" if cloud and build else ""

    def locks(self, params: AgentParams) -> Iterable[str]:
        rows = Host.objects.filter(cloud=params.cloud, kind=Kind.KVM).exclude(pk__in=params.skip)
        return [f"host:{pk}" for pk in rows.values_list("pk", flat=True)]

    def look(self, page: str, params: AgentParams, facts: FactSet) -> dict[str, Any]:
        if page == "order" and params.cloud:
            return {"choices": _choices(params, facts)}
        return _shown(survey(params, facts)) if page == "review" else {}

    def plan(self, params: AgentParams, facts: FactSet) -> Iterator[Step]:
        found = survey(params, facts)
        if not found.todo:
            raise NothingToDo(f"Every agent is {found.build.version}, by its packages and by what CloudStack says.")
        if lost := [one.name for one in found.todo if not one.seen.new or one.there is None]:
            raise FactError(f"{', '.join(lost)}: the build has no packages for it, or CloudStack does not know it. Leave it out.")
        back = {one.name: upgrade_steps.way_back(one.seen, facts) for one in found.todo}
        for one in found.todo:
            yield from upgrade_steps.bring(one.seen, params, facts)
        for one in found.todo:
            yield from _turn(one, found, params, back=back[one.name])

    def finished(self, operation_id: int, state: str) -> None:
        """Hosts and cloud are read anew: what runs there is another thing now."""
        params, now = Operation.objects.get(pk=operation_id).parsed(), timezone.now()
        CloudApi.objects.filter(cloud=params.cloud).update(next_read_at=now)
        Host.objects.filter(cloud=params.cloud, kind=Kind.KVM).exclude(pk__in=params.skip).update(next_read_at=now)


def _turn(one: Turn, found: Round, params: AgentParams, *, back: bool) -> Iterator[Step]:
    assert one.there is not None
    empties = params.empty and one.there.resource == ENABLED
    if empties:
        why = "Nothing of CloudStack's runs there while its agent is away."
        way = host_steps.in_service_again(found.api, one.there, f"host:{one.seen.row.pk}")
        yield _named(host_steps.maintain(found.api, one.there, why, way), one)
        yield _named(host_steps.maintained(found.api, one.there, params.minutes * 60), one)
    why = "Virtual machines go on; CloudStack can change nothing on this host meanwhile."
    yield upgrade_steps.stop(one.seen, why)
    yield upgrade_steps.install(one.seen, params, back=back)
    yield _start(one, found)
    if empties:
        yield _named(host_steps.cancel(found.api, one.there), one)


def _named(step: Step, one: Turn) -> Step:
    """Steps of one host are called alike for every host."""
    return replace(step, key=f"{step.key}-{one.seen.row.pk}")


def _start(one: Turn, found: Round) -> Step:
    assert one.there is not None
    version, unit = found.build.version, one.seen.server.unit
    says = f"CloudStack says that {one.name} is Up with the agent {version}"
    calls = asks(found.api, says, "listHosts", {"id": one.there.id}, "agent_is", version, within=CALLS)
    return upgrade_steps.act(
        f"start-{one.seen.row.pk}", one.seen, f"Start {unit} on {one.name}",
        "It calls the management server and says its version: that is the proof, and the next host waits for it.",
        servers.START, unit, "", "", seconds=300, gist=f"systemctl start {unit}",
        effect=Effect.IDEMPOTENT, probe=(upgrade_steps.runs(one.seen, within=60), calls), undo=NothingToUndo(),
        settles=upgrade_steps.stopped_key(one.seen),
    )  # fmt: skip


def _choices(params: AgentParams, facts: FactSet) -> list[dict[str, Any]]:
    _, state = cloud_now(params.cloud, facts)
    here = {row.pk: id for id, row in facts(PartnersOf("portal", params.cloud)).items()}
    rows = facts(CloudHosts("portal", params.cloud, Kind.KVM)).rows
    found = [(row, state.host(here.get(row.pk, ""))) for row in rows]
    return [{"pk": row.pk, "label": f"{row.name}: {_said(there)}"} for row, there in found]


def _said(there: CloudHost | None) -> str:
    return f"{there.state}, {there.resource}, agent {there.version or 'not said'}" if there else "not in CloudStack"


def _shown(found: Round) -> dict[str, Any]:
    """Plain JSON for the review."""
    rows = [
        {
            "pk": one.seen.row.pk,
            "name": one.name,
            "runs": one.seen.moment.runs,
            "said": _said(one.there),
            "done": one.has(found.build.version),
            "packages": [{"name": was.name, "was": was.version, "becomes": becomes[was.name]} for was in one.seen.was],
        }
        for one in found.turns
        for becomes in [{new.name: new.version for new in one.seen.new}]
    ]
    return {"hosts": rows, "version": found.build.version, "servers": found.state.version}
