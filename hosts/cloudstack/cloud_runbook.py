"""What all runbooks on one host or cluster of a CloudStack have in common."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass
from typing import Any, Generic, Protocol, TypeVar, cast

from django import forms

from hosts.cloudstack import matching, reading
from hosts.cloudstack.along import CloudNow
from hosts.cloudstack.facts import ApiOfCloud
from hosts.cloudstack.matching import Listed, Matched
from hosts.cloudstack.state import CloudHost, CloudState, Cluster
from hosts.cloudstack.steps import Api
from hosts.facts.restorations import OpenRestorations
from hosts.models import Cloud, CloudApi
from hosts.xen.forms import UUID, offered, one_of
from opsportal.operations.facts import Fact, FactError, FactSet, OfThePortal, Reader
from opsportal.operations.guards import Finding, Level, guard
from opsportal.operations.runbook import Page, Risk, Runbook


class InACloud(Protocol):
    @property
    def cloud(self) -> int: ...


@dataclass(frozen=True)
class HostParams:
    """`cloud` is the inventory's number, `host` CloudStack's id."""

    cloud: int = 0
    host: str = ""


@dataclass(frozen=True)
class PartnersOf(OfThePortal, Fact[dict[str, Listed]]):
    """Which host of CloudStack is which of the inventory

    By CloudStack's id, from the newest reading of both. Target "portal". Volatile: what a plan needs of it stands in its steps.
    """

    volatile = True

    cloud: int

    def read(self, reader: Reader) -> dict[str, Listed]:
        found = partners(self.cloud)
        return dict(found.pairs) if found else {}


def partners(cloud: int) -> Matched | None:
    """None for a cloud that was never read."""
    api = CloudApi.objects.select_related("cloud").filter(cloud=cloud).first()
    state = reading.before(api) if api else None
    return matching.of_cloud(api.cloud, state) if api and state else None


def resource(cloud: int, hosts: Iterable[Listed | None]) -> str:
    """What is locked while CloudStack works on them: their pool, the host itself, or the whole cloud when the inventory has none."""
    rows = [one for one in hosts if one]
    pools = {one.pool for one in rows if one.pool}
    if len(pools) == 1:
        return f"pool:{pools.pop()}"
    return f"host:{rows[0].pk}" if len(rows) == 1 else f"cloud:{cloud}"


@dataclass(frozen=True)
class Chosen:
    """The host as CloudStack has it, and `here` in the inventory. `cluster` is None where it stands in none."""

    api: Api
    state: CloudState
    host: CloudHost
    cluster: Cluster | None
    here: Listed | None
    resource: str

    @property
    def others(self) -> list[CloudHost]:
        return [one for one in self.state.members(self.host.cluster) if one.id != self.host.id]


def cloud_now(cloud: int, facts: FactSet) -> tuple[Api, CloudState]:
    """Raises `FactError` for a cloud without a connection, and when CloudStack does not answer."""
    api = facts(ApiOfCloud("portal", cloud))
    if api is None:
        raise FactError("The portal has no connection to this CloudStack. Save one on the page of the cloud.")
    return api, facts(CloudNow("local", api.pk))


def chosen(params: HostParams, facts: FactSet) -> Chosen:
    """Raises `FactError`."""
    if not params.cloud:
        raise FactError("Choose a cloud.")
    api, state = cloud_now(params.cloud, facts)
    host = state.host(params.host)
    if host is None:
        raise FactError("Choose a host." if not params.host else f"CloudStack has no host with the id {params.host} any more.")
    here = facts(PartnersOf("portal", params.cloud)).get(host.id)
    return Chosen(api, state, host, state.cluster(host.cluster), here, resource(params.cloud, [here]))


def seen(params: HostParams, facts: FactSet) -> Chosen | None:
    """For guards: None where the plan says by itself what is missing."""
    try:
        return chosen(params, facts)
    except FactError:
        return None


# Forms.


class CloudField(forms.ModelChoiceField):  # type: ignore[type-arg] # generic only in the stubs
    def called(self, value: int) -> str:
        cloud = Cloud.objects.filter(pk=value).first()
        return cloud.name if cloud else str(value)


class CloudForm(forms.Form):
    cloud = CloudField(
        Cloud.objects.none(), label="Cloud", empty_label="Choose a cloud", help_text="Those with a connection to CloudStack."
    )

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        cast(CloudField, self.fields["cloud"]).queryset = Cloud.objects.filter(api__isnull=False)


class RowForm(forms.Form):
    """Base of forms with one choice among rows of CloudStack. `choices_from` names the field and the rows in what `look` gives.

    As `hosts.xen.forms.UuidForm`: what was chosen before stays a choice, so that a guard can say what is wrong with it.
    """

    choices_from: tuple[str, str] = ("", "")

    def look(self, found: Mapping[str, Any]) -> None:
        name, rows = self.choices_from
        kept = [str(value) for value in (self.data.get(name), self.initial.get(name)) if value and UUID.fullmatch(str(value))]
        cast(forms.ChoiceField, self.fields[name]).choices = offered(found.get(rows) or (), kept)


class CloudHostField(forms.ChoiceField):
    """A host by CloudStack's id."""

    def called(self, value: object) -> str:
        for api in CloudApi.objects.all():
            state = reading.before(api)
            if state and (host := state.host(str(value))):
                return f"{host.name} ({value})"
        return str(value)


class CloudHostForm(RowForm):
    host = one_of("Host", "As CloudStack calls it. A row that cannot be chosen says why.", CloudHostField)
    choices_from = ("host", "rows")


def cloud_page() -> Page:
    return Page("cloud", "Cloud", CloudForm)


def host_page(form: type[forms.Form] = CloudHostForm) -> Page:
    return Page("host", "Host", form, template="hosts/runbooks/cloud_host.html")


P = TypeVar("P", bound=HostParams)


class HostRunbook(Runbook[P], Generic[P]):
    """Locks the host's pool, or the host, and shows every host as CloudStack has it."""

    risk = Risk.DISRUPTIVE
    approvals = 0
    styles = ("css/pools.css", "css/pool-books.css")

    def parse(self, raw: Mapping[str, Any]) -> P:
        """A link may name a host by the inventory's number."""
        return super().parse({**raw, "host": id_of(raw.get("cloud"), raw["host"])} if raw.get("host") else raw)

    def here(self, params: P) -> Listed | None:
        found = partners(params.cloud) if params.cloud and params.host else None
        return found.pairs.get(params.host) if found else None

    def subject(self, params: P) -> str:
        if not (params.cloud and params.host):
            return ""
        api = CloudApi.objects.filter(cloud=params.cloud).first()
        state = reading.before(api) if api else None
        host = state.host(params.host) if state else None
        return host.name if host else params.host

    def locks(self, params: P) -> Iterable[str]:
        if params.cloud and params.host:
            yield resource(params.cloud, [self.here(params)])

    def why_not(self, host: CloudHost) -> str:
        """Why the host cannot be chosen at all; "" when it can."""
        return ""

    def look(self, page: str, params: P, facts: FactSet) -> dict[str, Any]:
        if not params.cloud:
            return {}
        _, state = cloud_now(params.cloud, facts)
        here = facts(PartnersOf("portal", params.cloud))
        rows = [self._row(host, state.cluster(host.cluster), here.get(host.id)) for host in _ordered(state)]
        return {"version": state.version, "rows": rows, "chosen": next((row for row in rows if row["uuid"] == params.host), None)}

    def _row(self, host: CloudHost, cluster: Cluster | None, here: Listed | None) -> dict[str, Any]:
        return {
            **asdict(host),
            "uuid": host.id,
            "cluster": cluster.name if cluster else "",
            "managed": cluster.managed if cluster else "",
            "here": here.name if here else "",
            "why_not": self.why_not(host),
        }


def _ordered(state: CloudState) -> Sequence[CloudHost]:
    """By cluster; who is not well first."""
    names = {one.id: one.name for one in state.clusters}
    return sorted(state.hosts, key=lambda one: (one.well, names.get(one.cluster, ""), one.name))


def id_of(cloud: object, host: object) -> str:
    """CloudStack's id from itself, or from the inventory's number of the host; "" for one that CloudStack does not have."""
    text = str(host)
    if not (text.isascii() and text.isdigit() and len(text) < 10):
        return text
    found = partners(int(str(cloud))) if str(cloud or "").isdigit() else None
    return found.of(int(text)) if found else ""


# The rulebook.

SOURCE = "CloudStack's source, ResourceManagerImpl and AgentManagerImpl"


@guard(
    "cloudstack.host-managed",
    title="CloudStack manages the host's cluster",
    reason="It connects no host of an unmanaged cluster, moves nothing there, and puts none into maintenance.",
    source=SOURCE,
)
def managed(params: HostParams, facts: FactSet) -> Iterator[Finding]:
    found = seen(params, facts)
    if found and found.cluster and not found.cluster.is_managed:
        message = f"The cluster {found.cluster.name} is {found.cluster.managed}. Run “Manage or unmanage a cluster” first."
        yield Finding(Level.BLOCK, message, "host")


@guard(
    "cloudstack.host-restorations",
    title="Nothing is left changed for a time",
    reason="What an operation changed for a while has to come back before the next one begins.",
    source="The portal's own record of restorations",
)
def restorations(params: HostParams, facts: FactSet) -> Iterator[Finding]:
    if not (found := seen(params, facts)):
        return
    for one in facts(OpenRestorations("portal", found.resource)):
        said = f"{one.title}: operation #{one.operation}"
        if one.left:
            yield Finding(Level.BLOCK, f"{said} left it so. Settle it under Restorations first.", "host")
        else:
            yield Finding(Level.NOTE, f"{said} is at work there. This one waits for it.", "host")


@guard(
    "cloudstack.host-known",
    title="The inventory has the host, too",
    reason="The portal locks a pool while CloudStack works on one of its hosts. Of a host that it does not know it cannot say which pool.",
    source="The portal's own comparison, by address and uuid",
)
def known(params: HostParams, facts: FactSet) -> Iterator[Finding]:
    found = seen(params, facts)
    if found and found.here is None:
        message = f"{found.host.name} ({found.host.address}) is not in the inventory, so nothing on the host itself is looked at."
        yield Finding(Level.WARN, message, "host")
