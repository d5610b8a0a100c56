"""The pages of a cloud's CloudStack, as a person meets them."""

from __future__ import annotations

import pytest
from django.db import connection
from django.test import Client
from django.test.utils import CaptureQueriesContext
from django.urls import reverse

from hosts.cloudstack import reading
from hosts.cloudstack.forms import CloudApiForm, api_url
from hosts.cloudstack.steps import connection_file
from hosts.models import Cloud, CloudApi, Credential, Host, Kind, Pool
from opsportal.operations.models import AuditEntry
from opsportal.web import sight
from tests.cloudstack.stand_in import KEY, SECRET, StandIn, failure
from tests.hosts.cloudstack.conftest import CLUSTER, KVM, cluster, fill, host

pytestmark = pytest.mark.django_db


def read(api: CloudApi) -> None:
    reading.ask(CloudApi.objects.all())
    reading.read_slice()


def page(client: Client, api: CloudApi, **query: str) -> str:
    answer = client.get(reverse("cloud_api", args=[api.cloud_id]), query)
    assert answer.status_code == 200
    return " ".join(answer.content.decode().split())


@pytest.mark.parametrize(
    ("typed", "stored"),
    [
        ("http://10.1.1.5:8080", "http://10.1.1.5:8080/client/api"),
        ("https://Cloud.Example.org/client/", "https://cloud.example.org/client/api"),
        (" https://cloud.example.org/prefix/client/api ", "https://cloud.example.org/prefix/client/api"),
    ],
)
def test_an_address_is_completed(typed: str, stored: str) -> None:
    assert api_url(typed) == stored


@pytest.mark.parametrize(
    ("typed", "said"),
    [
        ("10.1.1.5:8080/client/api", "http://"),
        ("http://10.1.1.5:8096/client/api", "8096"),
        ("http://ann:secret@10.1.1.5/client/api", "without a login"),
        ("http://10.1.1.5/client/api?command=listHosts", "address alone"),
        ("http://10.1.1.5/console", "ends with /client/api"),
        ("ftp://10.1.1.5/client/api", "http://"),
        ("http://10.1.1.5:99999/client/api", "no address"),
        ("http://-x/client/api", "neither an IP address nor a host name"),
    ],
)
def test_what_is_no_address_says_why(typed: str, said: str) -> None:
    form = CloudApiForm({"url": typed, "api_key": "k", "secret_key": "s"})
    assert said in str(form.errors["url"])


def test_connecting_stores_the_secret_sealed_and_shows_what_came_of_it(administrator: Client, keys: object, cloudstack: StandIn) -> None:
    cloud = Cloud.objects.create(name="Amsterdam")
    assert "Connect CloudStack" in administrator.get(reverse("cloud_api", args=[cloud.pk])).content.decode()
    sent = {"url": cloudstack.url, "api_key": KEY, "secret_key": SECRET.replace(" ", "")}
    answer = administrator.post(reverse("cloud_api_edit", args=[cloud.pk]), sent)
    assert answer.url == reverse("cloud_api", args=[cloud.pk])  # type: ignore[attr-defined]
    api = CloudApi.objects.get()
    assert sent["secret_key"] not in api.secret
    assert sent["secret_key"] not in str(list(AuditEntry.objects.values()))
    assert "A worker reads it" in page(administrator, api)
    read(api)
    assert "Could not be read" in page(administrator, api)
    assert sent["secret_key"] not in page(administrator, api)
    assert sent["secret_key"] not in administrator.get(reverse("cloud_api_edit", args=[cloud.pk])).content.decode()


def test_a_change_without_a_secret_keeps_the_old_one(administrator: Client, api: CloudApi) -> None:
    sent = {"url": api.url, "api_key": KEY, "secret_key": ""}
    assert administrator.post(reverse("cloud_api_edit", args=[api.cloud_id]), sent).status_code == 302
    read(api)
    assert "CloudStack 4.8.0" in page(administrator, api)
    sent["api_key"] = "another"
    answer = administrator.post(reverse("cloud_api_edit", args=[api.cloud_id]), sent)
    assert (answer.status_code, "has another secret key" in answer.content.decode()) == (422, True)


@pytest.mark.django_db(transaction=True)
def test_disconnecting_takes_the_file_too(administrator: Client, api: CloudApi) -> None:
    assert connection_file(api.pk).exists()
    administrator.post(reverse("cloud_api_remove", args=[api.cloud_id]))
    assert not CloudApi.objects.exists()
    assert not connection_file(api.pk).exists()


def test_the_page_shows_both_sides(operator: Client, api: CloudApi, cloudstack: StandIn) -> None:
    pool = Pool.objects.create(name="pool-a", cloud=api.cloud)
    Host.objects.create(name="node-1", address="10.0.0.1", cloud=api.cloud, pool=pool, kind=Kind.XENSERVER)
    Host.objects.create(name="node-9", address="10.0.0.9", cloud=api.cloud, kind=Kind.KVM)
    fill(
        cloudstack,
        [host(1), host(2, state="Alert"), host(3, KVM, version="4.7.0")],
        [cluster(CLUSTER, "xens"), cluster(KVM, "kvms", "KVM")],
    )
    read(api)
    text = page(operator, api)
    for words in (
        "node-1",
        "CloudStack: xen1",
        "xen2 is in Alert",
        "not in the inventory",
        "node-9",
        "pool-a",
        "4.7.0",
        "1 of 2 hosts Up and Enabled",
    ):
        assert words in text
    assert f"{reverse('host_new')}?address=10.0.0.2" in text
    Credential.objects.create(name="root", kind="password", username="root", secret="sealed")
    assert 'value="10.0.0.2"' in operator.get(reverse("host_new"), {"address": "10.0.0.2"}).content.decode()


def test_hosts_are_searched_and_filtered(viewer: Client, api: CloudApi, cloudstack: StandIn) -> None:
    fill(cloudstack, [host(number, state="Down" if number == 3 else "Up") for number in range(1, 6)])
    read(api)

    def shown(**query: str) -> list[int]:
        text = page(viewer, api, **query).partition("<tbody>")[2]
        return [number for number in range(1, 6) if f"10.0.0.{number}<" in text]

    assert shown() == [1, 2, 3, 4, 5]
    assert shown(q="xen4") == [4]
    assert shown(q="down") == [3]
    assert shown(show="trouble") == [3]
    assert shown(q="nobody") == []
    assert "No host here fits" in page(viewer, api, q="nobody")


def test_a_page_that_is_up_to_date_is_not_sent_again(viewer: Client, api: CloudApi) -> None:
    read(api)
    stamp = viewer.get(reverse("cloud_api", args=[api.cloud_id])).context["stamp"]
    url = reverse("cloud_api", args=[api.cloud_id])
    assert viewer.get(url, {"seen": stamp}, headers={"HX-Request": "true"}).status_code == 204
    read(api)
    assert viewer.get(url, {"seen": stamp}, headers={"HX-Request": "true"}).status_code == 200


def test_an_old_reading_stays_with_the_problem_above_it(viewer: Client, api: CloudApi, cloudstack: StandIn) -> None:
    read(api)
    cloudstack.answers["listHosts"] = failure(530, "no database")
    read(api)
    text = page(viewer, api)
    assert "no database" in text
    assert "as it was" in text
    assert "xen1" in text


def test_host_and_pool_say_what_cloudstack_says(viewer: Client, api: CloudApi, cloudstack: StandIn) -> None:
    pool = Pool.objects.create(name="pool-a", cloud=api.cloud)
    first = Host.objects.create(name="node-1", address="10.0.0.1", cloud=api.cloud, pool=pool, kind=Kind.XENSERVER)
    Host.objects.create(name="node-9", address="10.0.0.9", cloud=api.cloud, pool=pool, kind=Kind.XENSERVER)
    fill(cloudstack, [host(1, state="Alert")], [cluster(CLUSTER, "xens", managed="Unmanaged")])
    assert "CloudStack says" not in viewer.get(first.get_absolute_url()).content.decode()
    read(api)
    for text in (viewer.get(first.get_absolute_url()).content.decode(), viewer.get(reverse("pool", args=[pool.pk])).content.decode()):
        assert "CloudStack says" in text
        assert "Alert" in text
        assert "Unmanaged" in text
    assert "node-9 is not in CloudStack" in text


def test_a_name_from_cloudstack_is_text(viewer: Client, api: CloudApi, cloudstack: StandIn) -> None:
    fill(cloudstack, [host(1, name="<script>alert(1)</script>")], [cluster(CLUSTER, "<b>x</b>")])
    read(api)
    text = page(viewer, api)
    assert "<script>alert" not in text
    assert "<b>x</b>" not in text


def test_a_participant_meets_the_own_cloud_alone(viewer: Client, api: CloudApi, monkeypatch: pytest.MonkeyPatch) -> None:
    url = reverse("cloud_api", args=[api.cloud_id])
    for clouds, status in ((("Amsterdam",), 200), (("Another",), 404)):
        monkeypatch.setattr(sight, "limits_of", lambda _, seen=clouds: sight.Limits(seen, ()))
        assert viewer.get(url).status_code == status


def test_ten_hosts_and_five_hundred_cost_the_same_queries(viewer: Client, api: CloudApi, cloudstack: StandIn) -> None:

    counted = []
    for number in (10, 500):
        fill(cloudstack, [host(one, ipaddress=f"10.0.{one // 250}.{one % 250}") for one in range(number)])
        read(api)
        with CaptureQueriesContext(connection) as queries:
            page(viewer, api)
        counted.append(len(queries))
    assert counted[0] == counted[1]
