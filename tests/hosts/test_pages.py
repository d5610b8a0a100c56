"""The pages of the inventory, as people with different roles see them."""

from __future__ import annotations

from collections.abc import Callable
from datetime import timedelta

import pytest
from django.contrib.auth.models import User
from django.db import connection
from django.test import Client
from django.test.utils import CaptureQueriesContext
from django.urls import reverse
from django.utils import timezone

from hosts.models import Cloud, Contact, Credential, Host, HostKey, HostReading, Pool, sort_key
from opsportal.operations.models import AuditEntry, Lock, Operation
from opsportal.operations.states import OperationState

pytestmark = pytest.mark.django_db


def many(number: int) -> None:
    cloud = Cloud.objects.create(name="Amsterdam")
    pools = Pool.objects.bulk_create([Pool(name=f"pool-{n}", cloud=cloud) for n in range(max(1, number // 16))])
    Host.objects.bulk_create(
        [
            Host(
                name=f"xen{n}", sort_name=sort_key(f"xen{n}"), address=f"10.{n // 65536}.{n // 256 % 256}.{n % 256}", kind="xenserver",
                cloud=cloud, pool=pools[n % len(pools)], tags=f" prod rack-{n % 40} ",
                contact=[Contact.OK, Contact.UNREACHABLE][n % 7 == 0],
                facts={"os_name": "CentOS release 5.11", "product": "XenServer", "product_version": "6.5.0"}, facts_at=timezone.now(),
            )
            for n in range(1, number + 1)
        ],
        batch_size=500,
    )  # fmt: skip


def queries_of(client: Client, url: str) -> int:
    with CaptureQueriesContext(connection) as caught:
        assert client.get(url).status_code == 200
    return len(caught)


@pytest.mark.parametrize(
    "query", ["", "?q=xen+rack-3", "?kind=xenserver&contact=ok&page=7", "?tag=rack-7&order=read", "?cloud=1", "?order=contact&page=150"]
)
def test_the_list_makes_the_same_few_queries_for_10_and_for_10000_hosts(query: str, operator: Client) -> None:
    many(10)
    few = queries_of(operator, reverse("hosts") + query)
    Host.objects.all().delete()
    Pool.objects.all().delete()
    Cloud.objects.all().delete()
    many(10_000)
    assert queries_of(operator, reverse("hosts") + query) == few
    assert few <= 6


def test_names_are_in_the_order_people_count(operator: Client) -> None:
    many(12)
    page = operator.get(reverse("hosts")).content.decode()
    assert page.index(">xen2<") < page.index(">xen10<")


@pytest.mark.parametrize(
    ("query", "names"),
    [
        ("?q=10.0.0.3", {"xen3"}),
        ("?q=XEN1", {"xen1", "xen10", "xen11", "xen12"}),
        ("?tag=rack-4", {"xen4"}),
        ("?tag=rack", set()),
        ("?contact=unreachable", {"xen7"}),
        ("?q=xen1+rack-11", {"xen11"}),
        ("?kind=kvm", set()),
        ("?cloud=99999999999999999999", {f"xen{n}" for n in range(1, 13)}),
        ("?kind=%27+or+1%3D1&page=abc", {f"xen{n}" for n in range(1, 13)}),
        ("?q=%00", {f"xen{n}" for n in range(1, 13)}),
        ("?q=%25", set()),
    ],
)
def test_search_and_filters(query: str, names: set[str], operator: Client) -> None:
    many(12)
    answer = operator.get(reverse("hosts") + query)
    assert {host.name for host in answer.context["found"].rows} == names


def test_an_empty_inventory_teaches_the_first_step(logged_in: Callable[..., Client]) -> None:
    assert "No hosts yet" in logged_in("viewer").get(reverse("hosts")).content.decode()
    assert reverse("host_new") not in logged_in("viewer").get(reverse("hosts")).content.decode()
    assert reverse("host_new") in logged_in("operator").get(reverse("hosts")).content.decode()


def test_hostile_text_from_a_host_is_shown_as_text(operator: Client) -> None:
    facts = {
        "hostname": "<script>alert(1)</script>\u202e",
        "os_name": "<img src=x onerror=y>",
        "uptime": 5,
        "cpus": 1,
        "memory": 1,
        "memory_free": 1,
    }
    host = Host.objects.create(
        name="xen1", address="10.0.0.1", contact=Contact.OK, facts=facts, facts_at=timezone.now(), contact_message="<b>no</b>"
    )
    for url in (reverse("host", args=[host.pk]), reverse("hosts"), reverse("host_state", args=[host.pk])):
        page = operator.get(url).content.decode()
        assert "<script>alert" not in page and "<img src=x" not in page and "<b>no" not in page and "\u202e" not in page


def holding(user: User, host: Host, state: str = OperationState.QUEUED) -> Operation:
    return Operation.objects.create(runbook="x", title="Build", requester=user, token="t", state=state, targets=[f"host:{host.pk}"])


def test_a_host_that_an_operation_holds_is_not_removed(operator: Client, person: Callable[..., User]) -> None:
    host = Host.objects.create(name="xen1", address="10.0.0.1")
    operation = holding(person("bob"), host)
    assert "held by operation" in operator.get(reverse("host_remove", args=[host.pk])).content.decode()
    operator.post(reverse("host_remove", args=[host.pk]))
    operator.post(reverse("hosts_remove"), {"host": host.pk, "really": "1"})
    assert Host.objects.exists()
    Operation.objects.filter(pk=operation.pk).update(state=OperationState.SUCCEEDED)
    Lock.objects.create(resource=f"host:{host.pk}", operation=operation, since=timezone.now())
    operator.post(reverse("host_remove", args=[host.pk]))
    assert Host.objects.exists()
    Lock.objects.all().delete()
    operator.post(reverse("host_remove", args=[host.pk]))
    assert not Host.objects.exists()
    assert AuditEntry.objects.get(action="host.remove").subject == "xen1"


def test_one_held_host_keeps_the_whole_selection(operator: Client, person: Callable[..., User]) -> None:
    many(3)
    holding(person("bob"), Host.objects.get(name="xen2"))
    operator.post(reverse("hosts_remove"), {"all": "1", "really": "1"})
    assert Host.objects.count() == 3


def test_bulk_tags_on_ticked_hosts_only(operator: Client) -> None:
    many(3)
    one = Host.objects.get(name="xen1")
    operator.post(reverse("hosts_tag"), {"host": one.pk, "tags": "Broken rack-1", "do": "tag"})
    assert Host.objects.get(name="xen1").tag_list == ["broken", "prod", "rack-1"]
    assert Host.objects.get(name="xen2").tag_list == ["prod", "rack-2"]
    operator.post(reverse("hosts_tag"), {"all": "1", "tags": "prod", "do": "untag"})
    assert not Host.objects.filter(tags__contains=" prod ").exists()


def test_bulk_acts_on_everything_that_matches_the_filter(operator: Client) -> None:
    many(60)
    Host.objects.update(next_read_at=timezone.now() + timedelta(hours=1))
    operator.post(reverse("hosts_read"), {"all": "1", "contact": "unreachable"})
    assert Host.objects.filter(next_read_at__lte=timezone.now()).count() == 8


def test_bulk_with_a_bad_tag_changes_nothing(operator: Client) -> None:
    many(2)
    page = operator.post(reverse("hosts_tag"), {"all": "1", "tags": "<b>", "do": "tag"}, follow=True).content.decode()
    assert "is not a tag" in page
    assert set(Host.objects.values_list("tags", flat=True)) == {" prod rack-1 ", " prod rack-2 "}


def test_bulk_move_takes_the_cloud_of_the_pool(operator: Client) -> None:
    many(2)
    pool = Pool.objects.create(name="p", cloud=Cloud.objects.create(name="Berlin"))
    assert "Move 2 hosts" in operator.post(reverse("hosts_move"), {"all": "1"}).content.decode()
    operator.post(reverse("hosts_move"), {"all": "1", "really": "1", "to-pool": pool.pk})
    assert {(host.cloud.name, host.pool) for host in Host.objects.all() if host.cloud} == {("Berlin", pool)}


def test_edit_keeps_what_a_worker_wrote(operator: Client, credential: Credential) -> None:
    host = Host.objects.create(name="xen1", address="10.0.0.1", contact=Contact.OK, facts={"hostname": "x"})
    new = {
        "name": "xen1b",
        "address": "10.0.0.9",
        "port": 2222,
        "kind": "kvm",
        "credential": credential.pk,
        "tags": "b a",
        "notes": "moved",
    }
    assert operator.post(reverse("host_edit", args=[host.pk]), {**new, "contact": "refused", "facts": "{}"}).status_code == 302
    host.refresh_from_db()
    assert (host.name, host.place, host.tag_list, host.contact, host.facts) == (
        "xen1b",
        "10.0.0.9:2222",
        ["a", "b"],
        Contact.OK,
        {"hostname": "x"},
    )


@pytest.mark.parametrize(
    ("field", "value"), [("name", "XEN2"), ("address", "10.0.0.2"), ("address", "-oProxyCommand=id"), ("port", "0"), ("username", "-l")]
)
def test_edit_refuses_at_the_field(field: str, value: str, operator: Client) -> None:
    host = Host.objects.create(name="xen1", address="10.0.0.1")
    Host.objects.create(name="xen2", address="10.0.0.2")
    new = {"name": "xen1", "address": "10.0.0.1", "port": 22, "kind": "kvm", field: value}
    answer = operator.post(reverse("host_edit", args=[host.pk]), new)
    assert answer.status_code == 422
    assert answer.context["form"].errors


def test_the_page_says_what_changed_and_how_old_it_is(operator: Client) -> None:
    old = timezone.now() - timedelta(days=3)
    host = Host.objects.create(name="xen1", address="10.0.0.1", contact=Contact.UNREACHABLE, contact_message="No route to host.",
                               facts_at=old, facts={"hostname": "xen1", "uptime": 1, "cpus": 1, "memory": 1, "memory_free": 1})  # fmt: skip
    HostReading.objects.create(host=host, at=old, changed=True, changes=[{"name": "Kernel", "before": "3.10.0+2", "after": "3.10.0+10"}])
    page = operator.get(reverse("host", args=[host.pk])).content.decode()
    for text in ("3.10.0+2", "3.10.0+10", "more than a day old", "No route to host."):
        assert text in page


def test_a_changed_key_says_that_nothing_was_sent(operator: Client) -> None:
    host = Host.objects.create(name="xen1", address="10.0.0.1", contact=Contact.KEY_CHANGED, contact_message="xen1 showed another key")
    assert "Nothing was sent" in operator.get(reverse("host", args=[host.pk])).content.decode()


OFFER = {"kind": "ssh-ed25519", "base64": "AAAA", "fingerprint": "SHA256:new"}


def changed_host(user: User) -> Host:
    host = Host.objects.create(name="xen1", address="10.0.0.1", contact=Contact.KEY_CHANGED, offered=[OFFER], offered_at=timezone.now())
    HostKey.objects.create(host=host, kind="ssh-ed25519", base64="BBBB", fingerprint="SHA256:old", pinned_by=user)
    return host


def test_another_key_is_pinned_by_an_administrator_with_a_reason_and_audited_as_alarming(
    administrator: Client, person: Callable[..., User]
) -> None:
    host = changed_host(person("bob"))
    url = reverse("host_pin", args=[host.pk])
    administrator.post(url, {"key": "SHA256:new", "reason": " "})
    assert host.keys.get(retired_at=None).fingerprint == "SHA256:old"
    administrator.post(url, {"key": "SHA256:new", "reason": "installed again, ticket 12"})
    assert host.keys.get(retired_at=None).fingerprint == "SHA256:new"
    assert host.keys.exclude(retired_at=None).get().retired_why == "installed again, ticket 12"
    entry = AuditEntry.objects.get(action="host.repin")
    assert entry.alarming and entry.detail["reason"] == "installed again, ticket 12"


def test_an_operator_cannot_put_another_key_in_place(operator: Client, person: Callable[..., User]) -> None:
    host = changed_host(person("bob"))
    page = operator.post(reverse("host_pin", args=[host.pk]), {"key": "SHA256:new", "reason": "please"}, follow=True).content.decode()
    assert "Only an administrator" in page
    assert host.keys.get().fingerprint == "SHA256:old"


def test_the_first_key_is_pinned_by_an_operator_but_only_one_that_was_offered(operator: Client) -> None:
    host = Host.objects.create(name="xen1", address="10.0.0.1", offered=[OFFER], offered_at=timezone.now())
    operator.post(reverse("host_pin", args=[host.pk]), {"key": "SHA256:other"})
    operator.post(reverse("host_pin", args=[host.pk]), {})
    assert not host.keys.exists()
    operator.post(reverse("host_pin", args=[host.pk]), {"key": "SHA256:new"})
    assert host.keys.get().pinned_by.username == "operator"
    assert not AuditEntry.objects.get(action="host.pin").alarming


def test_clouds_and_pools_come_and_go(operator: Client) -> None:
    operator.post(reverse("cloud_new"), {"name": "Amsterdam"})
    cloud = Cloud.objects.get()
    assert operator.post(reverse("cloud_new"), {"name": "AMSTERDAM"}).status_code == 422
    operator.post(reverse("pool_new"), {"name": "pool-1", "cloud": cloud.pk, "kind": "kvm"})
    host = Host.objects.create(name="kvm1", address="10.0.0.1", cloud=cloud, pool=Pool.objects.get())
    page = operator.get(reverse("clouds")).content.decode()
    assert "pool-1" in page and "KVM cluster" in page
    operator.post(reverse("cloud_remove", args=[cloud.pk]))
    operator.post(reverse("pool_remove", args=[host.pool_id]))
    assert Cloud.objects.exists() and Pool.objects.exists()
    host.delete()
    operator.post(reverse("pool_remove", args=[host.pool_id]))
    operator.post(reverse("cloud_remove", args=[cloud.pk]))
    assert not Cloud.objects.exists()


EDITED = {"name": "xen1", "address": "10.0.0.1", "port": 22, "kind": "xenserver"}


def test_what_reaches_a_host_otherwise_is_read_anew_and_what_does_not_is_not(operator: Client) -> None:
    later = timezone.now() + timedelta(hours=1)
    host = Host.objects.create(name="xen1", address="10.0.0.1", kind="xenserver", next_read_at=later)
    operator.post(reverse("host_edit", args=[host.pk]), {**EDITED, "notes": "new"})
    assert Host.objects.get().next_read_at == later
    operator.post(reverse("host_edit", args=[host.pk]), {**EDITED, "notes": "new", "address": "10.0.0.2"})
    assert Host.objects.get().next_read_at <= timezone.now()
    entries = AuditEntry.objects.filter(action="host.edit").order_by("number")
    assert [entry.detail["changed"] for entry in entries] == [["notes"], ["address"]]


def test_allowing_sha1_is_alarming_in_the_audit_trail_and_shown_on_the_page(operator: Client) -> None:
    host = Host.objects.create(name="xen1", address="10.0.0.1", kind="xenserver")
    operator.post(reverse("host_edit", args=[host.pk]), {**EDITED, "legacy": "on"})
    assert AuditEntry.objects.get(action="host.edit").alarming
    assert "may use SHA-1" in operator.get(host.get_absolute_url()).content.decode()
    operator.post(reverse("host_edit", args=[host.pk]), EDITED)
    assert not AuditEntry.objects.filter(action="host.edit").latest("number").alarming


def test_a_host_that_speaks_only_old_algorithms_says_what_would_help(operator: Client, logged_in: Callable[..., Client]) -> None:
    host = Host.objects.create(name="xen1", address="10.0.0.1", contact=Contact.ALGORITHMS, contact_message="xen1 offers only ssh-rsa.")
    page = operator.get(host.get_absolute_url()).content.decode()
    assert "Old dom0s" in page and "Mark it under Edit" in page and reverse("host_edit", args=[host.pk]) in page
    assert "Mark it under Edit" not in logged_in("viewer").get(host.get_absolute_url()).content.decode()
    Host.objects.update(legacy=True)
    assert "Old dom0s" not in operator.get(host.get_absolute_url()).content.decode()


def test_hosts_are_found_by_their_credential_and_by_what_is_allowed_to_them(
    operator: Client, administrator: Client, credential: Credential
) -> None:
    for number, legacy in ((1, True), (2, False)):
        Host.objects.create(name=f"xen{number}", address=f"10.0.0.{number}", credential=credential, legacy=legacy)
    Host.objects.create(name="kvm1", address="10.0.0.9")

    def found(query: str) -> list[str]:
        return [host.name for host in operator.get(reverse("hosts") + query).context["found"].rows]

    assert found(f"?credential={credential.pk}") == ["xen1", "xen2"]
    assert found("?legacy=yes") == ["xen1"] and found("?legacy=nonsense") == ["kvm1", "xen1", "xen2"]
    assert f"?credential={credential.pk}" in administrator.get(credential.get_absolute_url()).content.decode()
    operator.post(reverse("hosts_tag"), {"all": "1", "legacy": "yes", "tags": "old", "do": "tag"})
    assert [host.name for host in Host.objects.filter(tags__contains=" old ")] == ["xen1"]


def test_hosts_are_found_by_their_version(operator: Client) -> None:
    for name, version in (("xen1", "6.5.0"), ("xen2", "8.2.1")):
        Host.objects.create(name=name, address=f"{name}.example.org", facts={"product": "XenServer", "product_version": version})
    answer = operator.get(reverse("hosts") + "?q=xenserver+8.2")
    assert [host.name for host in answer.context["found"].rows] == ["xen2"]
    assert "XenServer 8.2.1" in answer.content.decode()


def test_all_readings_can_be_looked_through(logged_in: Callable[..., Client]) -> None:
    host, viewer = Host.objects.create(name="xen1", address="10.0.0.1"), logged_in("viewer")
    url = reverse("host_history", args=[host.pk])
    assert "No readings yet" in viewer.get(url).content.decode()
    now = timezone.now()
    for minute in range(120):
        change = [{"name": "Kernel", "before": f"k{minute}", "after": f"k{minute + 1}"}] if minute % 2 else []
        HostReading.objects.create(host=host, at=now - timedelta(minutes=minute), changed=bool(change), changes=change)
    news, everything = viewer.get(url), viewer.get(url + "?all=1&page=3")
    assert len(news.context["page"]) == 50 and ": nothing new." not in news.content.decode()
    assert len(everything.context["page"]) == 20 and ": nothing new." in everything.content.decode()
    assert viewer.get(url + "?page=nonsense").status_code == 200


def test_many_hosts_get_a_credential_at_once(operator: Client, credential: Credential) -> None:
    many(3)
    Host.objects.update(next_read_at=timezone.now() + timedelta(hours=1))
    one = Host.objects.get(name="xen1")
    asked = operator.post(reverse("hosts_credential"), {"host": one.pk}).content.decode()
    assert "Credential for 1 host" in asked and "root key (logs in as root)" in asked
    assert operator.post(reverse("hosts_credential"), {"host": one.pk, "really": "1"}).status_code == 422
    operator.post(reverse("hosts_credential"), {"host": one.pk, "really": "1", "new-credential": credential.pk})
    assert set(Host.objects.exclude(credential=None).values_list("name", flat=True)) == {"xen1"}
    assert Host.objects.get(name="xen1").next_read_at <= timezone.now()
    assert AuditEntry.objects.get(action="hosts.credential").detail["hosts"] == ["xen1"]
