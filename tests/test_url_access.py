"""Every address with every role, by one table. An address without a row fails the test.

To add an address: put a row into TABLE that says who may GET it and who may POST to it ("" for nobody: the method is not allowed).
When it takes arguments and no entry of ARGUMENTS fits its name yet, add one that makes the thing it is about.
"""

from __future__ import annotations

import secrets
from collections.abc import Callable, Iterable, Iterator
from typing import Any, NamedTuple
from urllib.parse import urlsplit

import pytest
from django.contrib.auth.models import User
from django.db import transaction
from django.http import HttpResponse
from django.test import Client
from django.urls import URLPattern, URLResolver, get_resolver, reverse
from django.utils import timezone

from hosts.models import Cloud, CloudApi, Credential, Host, HostDraft, HostImport, Pool
from hosts.tails.models import Tail
from networking.models import NetworkDesign
from opsportal.operations import registry
from opsportal.operations.models import Operation, Restoration, Step
from opsportal.web.access import ROLES
from releases.models import Artefact, Build, Look, Repository, Schedule, Source

pytestmark = pytest.mark.django_db

EVERYBODY = ("anonymous", "nobody", *ROLES)
WHO = {
    "": frozenset(),
    "anyone": frozenset(EVERYBODY),
    "person": frozenset(EVERYBODY) - {"anonymous"},
    "viewer": frozenset(ROLES),
    "operator": frozenset({"operator"}),
    "approver": frozenset({"approver"}),
    "administrator": frozenset({"administrator"}),
    "operator or approver": frozenset({"operator", "approver"}),
    "approver or administrator": frozenset({"approver", "administrator"}),
    "operator or administrator": frozenset({"operator", "administrator"}),
}
EDITOR = "operator or administrator"


class Row(NamedTuple):
    get: str = ""
    post: str = ""


TABLE: dict[str, Row] = {
    # The practice cloud
    "lab": Row(get="viewer"),
    "lab_fault": Row(post="operator"),
    "lab_api_fault": Row(post="operator"),
    "lab_reset": Row(post="operator"),
    "lab_speed": Row(post="operator"),
    # Signing in, passwords, people, health
    "login": Row(get="anyone", post="anyone"),
    "fresh_login": Row(get="person", post="person"),
    "logout": Row(post="person"),
    "password_change": Row(get="person", post="person"),
    "people": Row(get="administrator"),
    "person_new": Row(get="administrator", post="administrator"),
    "person": Row(get="administrator"),
    "person_rename": Row(post="administrator"),
    "person_roles": Row(post="administrator"),
    "person_deactivate": Row(post="administrator"),
    "person_activate": Row(post="administrator"),
    "person_reset": Row(post="administrator"),
    "person_sign_out": Row(post="administrator"),
    "livez": Row(get="anyone"),
    "readyz": Row(get="anyone"),
    # Inventory
    "hosts": Row(get="viewer"),
    "hosts_export": Row(get="viewer"),
    "hosts_tag": Row(post="operator"),
    "hosts_move": Row(post="operator"),
    "hosts_credential": Row(post="operator"),
    "hosts_read": Row(post="operator"),
    "hosts_remove": Row(post="operator"),
    "hosts_import": Row(get="operator", post="operator"),
    "hosts_import_preview": Row(get="operator"),
    "hosts_import_confirm": Row(post="operator"),
    "host_new": Row(get="operator", post="operator"),
    "host_draft": Row(get="operator"),
    "host_draft_state": Row(get="operator"),
    "host_draft_scan": Row(post="operator"),
    "host_draft_pin": Row(post="operator"),
    "host_draft_login": Row(post="operator"),
    "host_draft_save": Row(post="operator"),
    "host_draft_discard": Row(post="operator"),
    "host": Row(get="viewer"),
    "host_state": Row(get="viewer"),
    "host_history": Row(get="viewer"),
    "host_edit": Row(get="operator", post="operator"),
    "host_remove": Row(get="operator", post="operator"),
    "host_read": Row(post="operator"),
    "host_scan": Row(post=EDITOR),
    "host_pin": Row(post=EDITOR),
    "host_logs": Row(get="operator"),
    "host_logs_look": Row(post="operator"),
    "host_logs_follow": Row(post="operator"),
    "tail": Row(get="operator"),
    "tail_stop": Row(post="operator"),
    "tail_lines": Row(get="operator"),
    "tail_search": Row(get="operator"),
    "tail_raw": Row(get="operator"),
    "tail_events": Row(get="operator"),
    "clouds": Row(get="viewer"),
    "cloud_new": Row(get="operator", post="operator"),
    "cloud": Row(get="operator", post="operator"),
    "cloud_remove": Row(post="operator"),
    "cloud_api": Row(get="viewer"),
    "cloud_api_edit": Row(get="administrator", post="administrator"),
    "cloud_api_read": Row(post="operator"),
    "cloud_api_pin": Row(post="administrator"),
    "cloud_api_remove": Row(post="administrator"),
    "pool_new": Row(get="operator", post="operator"),
    "pool": Row(get="viewer"),
    "pool_edit": Row(get="operator", post="operator"),
    "pool_read": Row(post="operator"),
    "pool_history": Row(get="viewer"),
    "pool_card": Row(get="viewer"),
    "pool_card_text": Row(get="viewer"),
    "pool_remove": Row(post="operator"),
    "credentials": Row(get="administrator"),
    "credential_new": Row(get="administrator", post="administrator"),
    "credential": Row(get="administrator"),
    "credential_edit": Row(get="administrator", post="administrator"),
    "credential_rotate": Row(get="administrator", post="administrator"),
    "credential_remove": Row(post="administrator"),
    # Operations
    "home": Row(get="viewer"),
    "runbooks": Row(get="viewer"),
    "runbook_start": Row(get="viewer", post="operator"),
    "operations": Row(get="viewer"),
    "operation": Row(get="viewer"),
    "operation_step": Row(get="viewer"),
    "operation_resolve": Row(post="operator or approver"),
    "operation_cancel": Row(post="operator"),
    "operation_retry": Row(post="operator"),
    "operation_undo": Row(post="operator"),
    "operation_again": Row(post="operator"),
    "operation_approve": Row(post="approver"),
    "operation_reject": Row(post="approver"),
    "operation_revoke": Row(post="approver"),
    "operation_acknowledge": Row(post="approver or administrator"),
    "operation_page": Row(get="viewer", post="operator"),
    "operation_page_check": Row(post="operator"),
    "operation_review": Row(get="viewer"),
    "operation_replan": Row(post="operator"),
    "operation_submit": Row(post="operator"),
    "operation_discard": Row(post="operator"),
    "log": Row(get="viewer"),
    "log_search": Row(get="viewer"),
    "log_raw": Row(get="viewer"),
    "log_page": Row(get="viewer"),
    "events": Row(get="viewer"),
    "approvals": Row(get="viewer"),
    "rulebook": Row(get="viewer"),
    "restorations": Row(get="viewer"),
    "restoration_settle": Row(post="operator"),
    "audit": Row(get="administrator"),
    "audit_verify": Row(post="administrator"),
    "audit_export": Row(get="administrator"),
    # Releases
    "sources": Row(get="viewer"),
    "source_new": Row(get=EDITOR, post=EDITOR),
    "source_check": Row(post=EDITOR),
    "source_address": Row(post=EDITOR),
    "source_answer": Row(get=EDITOR),
    "source": Row(get="viewer"),
    "source_state": Row(get="viewer"),
    "source_look": Row(post=EDITOR),
    "source_edit": Row(get=EDITOR, post=EDITOR),
    "source_retention": Row(post=EDITOR),
    "source_remove": Row(get=EDITOR, post=EDITOR),
    "networks": Row(get="viewer"),
    "network": Row(get="viewer"),
    "network_read": Row(post="operator"),
    "network_cloud": Row(get="viewer"),
    "network_pool": Row(get="viewer"),
    "network_designs": Row(get="viewer"),
    "network_design": Row(get="viewer"),
    "network_design_new": Row(get="operator", post="operator"),
    "network_design_edit": Row(get="operator", post="operator"),
    "network_design_remove": Row(post="operator"),
    "builds": Row(get="viewer"),
    "builds_charts": Row(get="viewer"),
    "builds_compare": Row(get="viewer"),
    "builds_commits": Row(get="viewer", post="viewer"),
    "build_progress": Row(get="viewer"),
    "build": Row(get="viewer"),
    "build_again": Row(post="operator"),
    "build_retry": Row(post="operator"),
    "build_keep": Row(post=EDITOR),
    "build_forget": Row(get=EDITOR, post=EDITOR),
    "build_sums": Row(get="viewer"),
    "build_servers": Row(get="viewer"),
    "build_servers_read": Row(post="operator"),
    "artefact": Row(get="viewer"),
    "schedules": Row(get="viewer"),
    "schedule_new": Row(get="operator", post="operator"),
    "schedules_times": Row(get="viewer"),
    "schedule": Row(get="viewer"),
    "schedule_edit": Row(get="operator", post="operator"),
    "schedule_switch": Row(post=EDITOR),
    "schedule_run": Row(post="operator"),
    "schedule_remove": Row(get=EDITOR, post=EDITOR),
    "repositories": Row(get="viewer"),
    "repository_new": Row(get="administrator", post="administrator"),
    "repository": Row(get="viewer"),
    "repository_edit": Row(get="administrator", post="administrator"),
    "repository_key": Row(post="administrator"),
    "repository_password": Row(post="administrator"),
    "repository_remove": Row(get="administrator", post="administrator"),
    "repository_file": Row(get="anyone"),
    "clean_up": Row(get="viewer"),
    "disks_measure": Row(post=EDITOR),
}


class Things:
    """Makes what an address is about. `user` is who asks: drafts are shown to their owner only."""

    def __init__(self, user: User) -> None:
        self.user = user

    def person(self) -> dict[str, Any]:
        return {"pk": User.objects.create_user(f"person-{secrets.token_hex(4)}").pk}

    def cloud(self) -> dict[str, Any]:
        return {"pk": Cloud.objects.create(name="Amsterdam").pk}

    def cloud_api(self) -> dict[str, Any]:
        made = CloudApi.objects.create(cloud=Cloud.objects.create(name="Amsterdam"), url="http://10.0.0.5:8080/client/api", api_key="key")
        return {"pk": made.cloud_id}

    def pool(self) -> dict[str, Any]:
        return {"pk": Pool.objects.create(name="pool-1", cloud=Cloud.objects.create(name="Amsterdam")).pk}

    def network_design(self) -> dict[str, Any]:
        return {"pk": NetworkDesign.objects.create(name=secrets.token_hex(4), wanted={"bridge": "cloudbr0", "nics": ["eth1"]}).pk}

    def host(self) -> dict[str, Any]:
        return {"pk": Host.objects.create(name="xen1", address="10.0.0.1").pk}

    def tail(self) -> dict[str, Any]:
        host = Host.objects.create(name="xen1", address="10.0.0.1")
        return {"pk": Tail.objects.create(host=host, place="/var/log/messages", person=self.user).pk}

    def _credential(self) -> Credential:
        return Credential.objects.create(name="root key", kind="key", username="root", secret="sealed", public="ssh-ed25519 AAAA portal")

    def credential(self) -> dict[str, Any]:
        return {"pk": self._credential().pk}

    def host_draft(self) -> dict[str, Any]:
        return {"pk": HostDraft.objects.create(owner=self.user, address="10.0.0.2", credential=self._credential(), state="scanned").pk}

    def hosts_import(self) -> dict[str, Any]:
        return {"pk": HostImport.objects.create(owner=self.user, text="name,address\nxen1,10.0.0.1\n").pk}

    def _operation(self) -> Operation:
        return Operation.objects.create(runbook="tests.ledger", title="Write a ledger", requester=self.user, token=secrets.token_hex(8))

    def operation(self) -> dict[str, Any]:
        operation = self._operation()
        Step.objects.create(operation=operation, index=0, key="first", title="First", target="local")
        return {"pk": operation.pk, "index": 0, "slug": operation.book.pages[0].slug}

    def restoration(self) -> dict[str, Any]:
        operation = self._operation()
        step = Step.objects.create(operation=operation, index=0, key="first", title="First", target="local")
        made = Restoration.objects.create(
            operation=operation, step=step, key="first", resource="host:1", target="local", title="HA is off", way_back={}
        )
        return {"pk": made.pk}

    def _source(self) -> Source:
        return Source.objects.create(name="cloudstack", url="https://git.example.org/cloudstack.git", default_branch="main")

    def source(self) -> dict[str, Any]:
        return {"pk": self._source().pk}

    def look(self) -> dict[str, Any]:
        return {"pk": Look.objects.create(kind="address", about="x", asked_at=timezone.now()).pk}

    def _build(self, source: Source) -> Build:
        return Build.objects.create(
            operation=self._operation(), source=source, version="4.20.0.0", ref="main", commit="0" * 40, workspace="w", target="local"
        )

    def build(self) -> dict[str, Any]:
        source = self._source()
        build, newer = self._build(source), self._build(source)
        return {"pk": build.pk, "older": build.pk, "newer": newer.pk}

    def artefact(self) -> dict[str, Any]:
        build = self._build(self._source())
        return {"pk": Artefact.objects.create(build=build, kind="rpm", file="a.rpm", name="a", size=1, sha256="0" * 64).pk}

    def schedule(self) -> dict[str, Any]:
        return {"pk": Schedule.objects.create(source=self._source(), name="nightly", owner=self.user, next_at=timezone.now()).pk}

    def repository(self) -> dict[str, Any]:
        """Open to everybody; only that is about who may."""
        return {"pk": Repository.objects.create(name="packages", slug="packages", access="open").pk}

    def repository_file(self) -> dict[str, Any]:
        self.repository()
        return {"slug": "packages", "channel": "stable", "path": "deb/Release"}

    def runbook(self) -> dict[str, Any]:
        return {"name": "tests.ledger"}


ARGUMENTS: dict[str, Callable[[Things], dict[str, Any]]] = {
    "person": Things.person,
    "cloud": Things.cloud,
    "cloud_api": Things.cloud_api,
    "pool": Things.pool,
    "host": Things.host,
    "host_draft": Things.host_draft,
    "tail": Things.tail,
    "hosts_import": Things.hosts_import,
    "credential": Things.credential,
    "operation": Things.operation,
    "log": Things.operation,
    "events": Things.operation,
    "restoration": Things.restoration,
    "runbook": Things.runbook,
    "network": Things.host,
    "network_cloud": Things.cloud,
    "network_pool": Things.pool,
    "network_design": Things.network_design,
    "source": Things.source,
    "source_answer": Things.look,
    "build": Things.build,
    "build_progress": Things.operation,
    "artefact": Things.artefact,
    "schedule": Things.schedule,
    "repository": Things.repository,
    "repository_file": Things.repository_file,
}
"""By the beginning of an address's name; the longest that fits counts."""


class Address(NamedTuple):
    name: str
    route: str
    takes: frozenset[str]
    """Names of its arguments."""

    def url(self, things: Things) -> str:
        if not self.takes:
            return reverse(self.name)
        fits = max((start for start in ARGUMENTS if self.name.startswith(start)), key=len, default="")
        assert fits, f"{self.name} ({self.route}) takes {set(self.takes)}: add an entry to ARGUMENTS in {__file__}"
        made = ARGUMENTS[fits](things)
        return reverse(self.name, kwargs={name: made[name] for name in self.takes})


def addresses(patterns: Iterable[URLPattern | URLResolver], before: str = "", takes: frozenset[str] = frozenset()) -> Iterator[Address]:
    for one in patterns:
        route, names = before + str(one.pattern), takes | one.pattern.converters.keys()
        if isinstance(one, URLResolver):
            yield from addresses(one.url_patterns, route, names)
        else:
            yield Address(one.name or "", route, names)


ALL = sorted(addresses(get_resolver().url_patterns), key=lambda address: address.route)


@pytest.fixture(autouse=True)
def test_runbook(settings: Any) -> Iterator[None]:
    settings.RUNBOOKS = ["tests.operations.books.Ledger"]
    registry.runbooks.cache_clear()
    yield
    registry.runbooks.cache_clear()


class Caller(NamedTuple):
    role: str
    user: User
    client: Client


@pytest.fixture
def callers(person: Callable[..., User]) -> list[Caller]:
    """One for each of EVERYBODY. The anonymous one owns things, too, without being signed in."""
    made = []
    for role in EVERYBODY:
        user, client = person(role, *({role} & set(ROLES))), Client()
        if role != "anonymous":
            client.force_login(user)
        made.append(Caller(role, user, client))
    return made


def answer(address: Address, caller: Caller, method: str) -> HttpResponse:
    """Of one request, whose effects are taken back."""
    with transaction.atomic():
        url = address.url(Things(caller.user))
        response: HttpResponse = getattr(caller.client, method)(url)
        transaction.set_rollback(True)
    if address.name in ("logout", "password_change"):
        caller.client.force_login(caller.user)
    return response


def verdict(response: HttpResponse, role: str) -> str:
    if role == "anonymous" and response.status_code == 302 and urlsplit(response.headers["Location"]).path == reverse("login"):
        return "sign in first"
    if response.status_code >= 500 and response.status_code != 503:  # 503 is a proper answer of the health page
        return "broken"
    return {403: "forbidden", 405: "no such method"}.get(response.status_code, "allowed")


def test_every_address_has_a_row() -> None:
    missing = [f'    "{address.name}": Row(get="…", post="…"),  # {address.route}' for address in ALL if address.name not in TABLE]
    assert not missing, "These addresses are in no row of TABLE in tests/test_url_access.py. Say who may use them:\n" + "\n".join(missing)


def test_every_row_has_an_address() -> None:
    assert set(TABLE) == {address.name for address in ALL}


def test_names_are_unique() -> None:
    names = [address.name for address in ALL]
    assert "" not in names and len(names) == len(set(names))


@pytest.mark.parametrize("method", ["get", "post"])
@pytest.mark.parametrize("address", ALL, ids=lambda address: address.name)
def test_who_may(address: Address, method: str, callers: list[Caller]) -> None:
    may = WHO[getattr(TABLE.get(address.name, Row()), method)]
    wrong = {}
    for caller in callers:
        said = verdict(answer(address, caller, method), caller.role)
        if said not in _expected(may, caller.role):
            wrong[caller.role] = said
    assert not wrong, f"{method.upper()} {address.route}: the table says {sorted(may) or 'nobody'}, but {wrong}"


def _expected(may: frozenset[str], role: str) -> set[str]:
    """Where a method is for nobody, a role that may not even look can be refused first."""
    if role in may:
        return {"allowed"}
    refused = {"sign in first"} if role == "anonymous" else {"forbidden"}
    return refused if may else {*refused, "no such method"}


@pytest.mark.parametrize("method", ["get", "post"])
@pytest.mark.parametrize("address", ALL, ids=lambda address: address.name)
def test_a_method_for_nobody_is_405_for_who_may_use_the_other(address: Address, method: str, callers: list[Caller]) -> None:
    row = TABLE.get(address.name, Row())
    if getattr(row, method):
        return
    other = "post" if method == "get" else "get"
    for caller in callers:
        if caller.role in WHO[getattr(row, other)]:
            assert answer(address, caller, method).status_code == 405, f"{method.upper()} {address.route} as {caller.role}"


@pytest.mark.parametrize("address", [address for address in ALL if TABLE.get(address.name, Row()).post], ids=lambda address: address.name)
def test_a_post_without_the_token_is_refused(address: Address, callers: list[Caller]) -> None:
    for caller in callers:
        if caller.role in WHO[TABLE[address.name].post]:
            strict = Client(enforce_csrf_checks=True)
            strict.cookies = caller.client.cookies
            response = answer(address, Caller(caller.role, caller.user, strict), "post")
            assert response.status_code == 403 and b"This form was too old" in response.content, f"{address.route} as {caller.role}"
