"""Adding a XenServer: its pool is recognised or made, its other members are offered, and a clone is named."""

from __future__ import annotations

import pytest
from django.contrib.auth.models import User
from django.test import Client
from django.urls import reverse
from django.utils import timezone

from hosts import adding
from hosts.models import Cloud, Credential, Host, HostDraft, HostKey, Pool
from hosts.reading import plain
from hosts.xen.recognising import Recognised
from hosts.xen.recognising import ask as recognise
from tests.hosts.test_linux_facts import parsed
from tests.hosts.xen.pools import Way, XenPool, inventory, xen
from tests.hosts.xen.samples import U1, U2, P

__all__ = ["xen"]

pytestmark = pytest.mark.django_db


def drafted(client: Client, credential: Credential, way: Way) -> HostDraft:
    """A draft as it is after the worker logged in."""
    owner = User.objects.get(pk=client.session["_auth_user_id"])
    facts = plain(parsed("xenserver65"))
    return HostDraft.objects.create(
        owner=owner, address=f"10.0.0.1{way.number}", credential=credential, state=HostDraft.State.READ, pinned=True,
        keys=[{"kind": "ssh-ed25519", "base64": "AAAA", "fingerprint": "SHA256:x"}], facts=facts, xen=recognise(way).plain(),
    )  # fmt: skip


def page(client: Client, draft: HostDraft) -> str:
    return client.get(draft.get_absolute_url()).content.decode()


def save(client: Client, draft: HostDraft, **answers: object) -> str:
    answer = client.post(reverse("host_draft_save", args=[draft.pk]), {"name": "xs1", "kind": "xenserver", **answers}, follow=True)
    return answer.content.decode()


def test_the_pool_is_in_the_inventory(operator: Client, credential: Credential, xen: XenPool) -> None:
    pool = inventory(hosts=0)
    Pool.objects.update(uuid=P)
    draft = drafted(operator, credential, Way(xen, 1))
    text = page(operator, draft)
    assert f'<option value="{pool.pk}" selected' in text and P in text and "new_pool" not in text
    assert adding.suggestion(draft)["kind"] == "xenserver"
    save(operator, draft, pool=pool.pk)
    host = Host.objects.get()
    assert (host.pool, host.cloud) == (pool, pool.cloud)
    pool.refresh_from_db()
    assert pool.next_read_at <= timezone.now(), "its members are compared at once"


def test_a_new_pool_is_made_and_the_other_members_come_next(operator: Client, credential: Credential, xen: XenPool) -> None:
    cloud = Cloud.objects.create(name="lab")
    draft = drafted(operator, credential, Way(xen, 1))
    text = page(operator, draft)
    assert 'value="pool-a"' in text and "xs2 (10.0.0.12)" in text and "xs1 (10.0.0.11)" not in text
    text = save(operator, draft, cloud=cloud.pk, new_pool="pool-a", others=["10.0.0.12", "10.0.0.13"])
    pool = Pool.objects.get()
    assert (pool.name, pool.uuid, pool.cloud, pool.kind) == ("pool-a", P, cloud, "xenserver")
    assert Host.objects.get().pool == pool
    others = HostDraft.objects.order_by("address")
    assert [(other.address, other.credential, other.state, other.pinned, other.pool) for other in others] == [
        ("10.0.0.12", credential, "scanning", False, pool),
        ("10.0.0.13", credential, "scanning", False, pool),
    ]
    assert "10.0.0.12" in text, "the wizard goes on with the next member"


def test_members_that_are_there_already_are_not_offered(operator: Client, credential: Credential, xen: XenPool) -> None:
    Host.objects.create(name="xs2", address="10.0.0.12")
    Host.objects.create(name="elsewhere", address="xs3.example.org", facts={"host_uuid": xen.uuids[2]})
    assert "Add these members" not in page(operator, drafted(operator, credential, Way(xen, 1)))


def test_only_members_of_the_pool_can_be_ticked(operator: Client, credential: Credential, xen: XenPool) -> None:
    draft = drafted(operator, credential, Way(xen, 1))
    assert "10.6.6.6 is not one of the available choices" in save(operator, draft, others=["10.6.6.6"])
    assert not Host.objects.exists() and HostDraft.objects.count() == 1


@pytest.mark.parametrize(
    ("answers", "words"),
    [
        ({"new_pool": "x"}, "Choose the cloud"),
        ({"new_pool": "pool-a", "cloud": "lab"}, "There is a pool of this name"),
        ({"new_pool": "x", "pool": "pool-a"}, "Leave one of the two empty"),
    ],
)
def test_a_pool_that_does_not_fit(operator: Client, credential: Credential, xen: XenPool, answers: dict[str, str], words: str) -> None:
    pool = inventory(hosts=0)
    numbers = {"lab": pool.cloud_id, "pool-a": pool.pk}
    given = {name: value if name == "new_pool" else numbers[value] for name, value in answers.items()}
    assert words in save(operator, drafted(operator, credential, Way(xen, 1)), **given)
    assert not Host.objects.exists()


def test_a_member_whose_xe_hangs_is_put_where_it_was_begun_for(operator: Client, credential: Credential, xen: XenPool) -> None:
    pool = inventory(hosts=0)
    xen.hangs = {2}
    draft = drafted(operator, credential, Way(xen, 2))
    HostDraft.objects.update(pool=pool)
    text = page(operator, draft)
    assert "xe does not return on this host" in text and f'<option value="{pool.pk}" selected' in text
    assert "10.0.0.11" in text, "whom it follows"


def test_a_clone_is_named_before_it_is_saved(operator: Client, credential: Credential, xen: XenPool) -> None:
    Host.objects.create(name="twin", address="10.9.9.9", kind="xenserver", facts={"host_uuid": U1.upper()})
    assert "one of the two is a clone" in page(operator, drafted(operator, credential, Way(xen, 1)))
    assert "is a clone" not in page(operator, drafted(operator, credential, Way(xen, 2)))


def test_clones_that_are_in_no_pool_name_each_other(viewer: Client, credential: Credential, xen: XenPool) -> None:
    facts = plain(parsed("xenserver65"))
    first, other, alone = (
        Host.objects.create(name=name, address=f"10.9.9.{number}", kind="xenserver", facts=facts | {"host_uuid": uuid})
        for number, (name, uuid) in enumerate((("one", U1), ("two", U1.upper()), ("three", U2)), 1)
    )
    assert other.get_absolute_url() in viewer.get(first.get_absolute_url()).content.decode()
    assert "has the same host UUID" not in viewer.get(alone.get_absolute_url()).content.decode()


def test_a_hostile_name_of_a_pool_is_shown_as_text(operator: Client, credential: Credential, xen: XenPool) -> None:
    xen.pool["name-label"] = '<script>"; x: y\nsecond'
    draft = drafted(operator, credential, Way(xen, 1))
    text = page(operator, draft)
    assert '<script>"' not in text and f'value="pool-{P[:8]}"' in text


def test_a_host_of_its_own_needs_no_pool(operator: Client, credential: Credential, xen: XenPool) -> None:
    xen.pool["name-label"], xen.hosts = "", xen.hosts[:1]
    draft = drafted(operator, credential, Way(xen, 1))
    assert adding.suggestion(draft)["new_pool"] == ""
    save(operator, draft)
    assert Host.objects.get().pool is None and HostKey.objects.count() == 1


def test_what_cannot_be_read_is_told(xen: XenPool) -> None:
    xen.down = {1}
    found = recognise(Way(xen, 1))
    assert found == Recognised(problem="xs1 cannot be reached.")
    xen.down, xen.hosts = set(), []
    found = recognise(Way(xen, 1))
    assert (found.uuid, found.pool) == (U1, P) and "no host" in found.problem
    assert recognise(Way(xen, 2)).uuid == U2
