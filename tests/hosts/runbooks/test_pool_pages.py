"""The wizard's pages of the runbooks on pools, as an operator sees them."""

from __future__ import annotations

from collections.abc import Callable

import pytest
from django.contrib.auth.models import User
from django.test import Client
from django.urls import reverse

from hosts.models import Pool
from opsportal.operations import planning
from opsportal.operations.models import Operation
from tests.hosts.runbooks.known import NFS, U1, U2, U3
from tests.hosts.runbooks.scripted import Scripted

pytestmark = pytest.mark.django_db(transaction=True)

Answer = Callable[..., str]


@pytest.fixture
def operation_of(pool: Scripted, operator: Client, person: Callable[..., User]) -> Callable[[str], Operation]:
    """A draft on the pool whose first page is answered, with what a worker reads for the next."""

    def make(book: str) -> Operation:
        number = pool.inventory().pk
        operator.post(f"{reverse('runbook_start', args=[book])}?pool={number}", {"token": "a" * 32})
        operation = Operation.objects.get()
        operator.post(reverse("operation_page", args=[operation.pk, "pool"]), {"pool": number})
        planning.work(operation.pk)
        operation.refresh_from_db()
        return operation

    return make


def shown(client: Client, operation: Operation, slug: str) -> str:
    return client.get(reverse("operation_page", args=[operation.pk, slug])).content.decode()


def answered(client: Client, operation: Operation, slug: str, **data: str) -> int:
    status = client.post(reverse("operation_page", args=[operation.pk, slug]), data).status_code
    planning.work(operation.pk)
    operation.refresh_from_db()
    return status


def planned(operation: Operation) -> str:
    planning.work(operation.pk)
    operation.refresh_from_db()
    return operation.digest


def test_the_pool_page_shows_what_was_read(operation_of: Callable[[str], Operation], operator: Client) -> None:
    page = shown(operator, operation_of("change-pool-master"), "pool")
    assert "pool-a now" in page and "HA is on" in page and "180 s" in page and "10.0.0.13" in page


def test_only_fit_members_can_be_chosen(pool: Scripted, operation_of: Callable[[str], Operation], operator: Client) -> None:
    pool.enabled = {U3: False}
    operation = operation_of("change-pool-master")
    page = shown(operator, operation, "host")
    row = {uuid: page.split(f'value="{uuid}"')[1].split(">")[0] for uuid in (U1, U2, U3)}
    assert "disabled" in row[U1] and "disabled" not in row[U2] and "disabled" in row[U3]
    assert "It is the master now." in page and "Re-enable it first" in page
    assert answered(operator, operation, "host", host=U1) == 422
    assert "its row says why" in shown(operator, operation, "host")
    assert answered(operator, operation, "host", host=U2) == 302


def test_nothing_chosen_is_no_answer(operation_of: Callable[[str], Operation], operator: Client) -> None:
    operation = operation_of("change-pool-master")
    assert answered(operator, operation, "host") == 422
    assert operation.pages_done == ["pool"] and not operation.plan


def test_the_heartbeat_page_offers_what_fits(pool: Scripted, operation_of: Callable[[str], Operation], operator: Client) -> None:
    pool.ha = False
    operation = operation_of("enable-pool-ha")
    page = shown(operator, operation, "sr")
    assert f'value="{NFS}"' in page and "primary" in page and "900 GB" in page
    assert answered(operator, operation, "sr", sr=NFS) == 302
    assert "The HA clock" in shown(operator, operation, "timeout") and 'value="180"' in shown(operator, operation, "timeout")


def test_the_clock_follows_what_is_typed(pool: Scripted, operation_of: Callable[[str], Operation], operator: Client) -> None:
    pool.ha = False
    operation = operation_of("enable-pool-ha")
    answered(operator, operation, "sr", sr=NFS)
    check = reverse("operation_page_check", args=[operation.pk, "timeout"])
    page = operator.post(check, {"timeout": "60", "outage": "90", "what": "network"}).content.decode()
    assert "fails for 90 s, and the HA timeout is 60 s" in page
    operation.refresh_from_db()
    assert operation.params["timeout"] == 60
    before = planned(operation)
    operator.post(check, {"timeout": "60", "outage": "30", "what": "storage"})
    assert planned(operation) == before, "no plan depends on the picture"


def test_a_timeout_that_xapi_refuses_is_said_at_its_field(
    pool: Scripted, operation_of: Callable[[str], Operation], operator: Client
) -> None:
    pool.ha = False
    operation = operation_of("enable-pool-ha")
    answered(operator, operation, "sr", sr=NFS)
    answered(operator, operation, "timeout", timeout="5")
    page = shown(operator, operation, "timeout")
    assert "xapi refuses a timeout of less than 10 s" in page


def test_the_approver_sees_the_switch_and_the_clock(operation_of: Callable[[str], Operation], operator: Client) -> None:
    operation = operation_of("change-pool-master")
    answered(operator, operation, "host", host=U2)
    page = operator.get(reverse("operation_review", args=[operation.pk])).content.decode()
    assert "HA off, then on again" in page and "becomes master" in page


def test_a_page_without_a_disabled_host_says_so(operation_of: Callable[[str], Operation], operator: Client) -> None:
    operation = operation_of("re-enable-host")
    assert "there is nothing to enable" in shown(operator, operation, "host")


def test_nobody_answers(pool: Scripted, operation_of: Callable[[str], Operation], operator: Client) -> None:
    pool.dead = {U1}
    page = shown(operator, operation_of("change-pool-master"), "pool")
    assert "No host of pool-a gets an answer from the pool master" in page and "Recover a pool whose master is dead" in page


def test_kvm_clusters_are_not_offered(pool: Scripted, operation_of: Callable[[str], Operation], operator: Client) -> None:
    operation = operation_of("disable-pool-ha")
    Pool.objects.create(name="kvm-1", cloud=Pool.objects.get().cloud, kind="kvm")
    assert "kvm-1" not in shown(operator, operation, "pool")
