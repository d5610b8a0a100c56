"""What an operator sees of pools: one pool in every condition, the list of all, and what the home page warns of."""

from __future__ import annotations

import secrets
from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from datetime import timedelta
from typing import Any

import pytest
from django import forms
from django.db import connection
from django.test import Client
from django.test.utils import CaptureQueriesContext
from django.urls import reverse
from django.utils import timezone

from hosts import pools, tasks
from hosts.models import Cloud, Host, Pool, PoolReading
from hosts.xen.state import HostVms, Pif, PoolState, Space, Vm, VmTable, Voice
from opsportal.operations import registry
from opsportal.operations.models import Operation, Restoration, Step
from opsportal.operations.restorations import WAY_BACK
from opsportal.operations.runbook import Page, Risk, Runbook
from opsportal.operations.steps import RunCommand, WayBack
from opsportal.transport.command import Command
from tests.hosts.read_pools import keep, read
from tests.hosts.xen.samples import SR, U1, U2, U3, VM1
from tests.hosts.xen.test_findings import BASICS, WELL, member, off, with_host, with_member

pytestmark = pytest.mark.django_db
HTMX = {"HTTP_HX_REQUEST": "true"}


@dataclass(frozen=True)
class Params:
    pool: int = 0
    host: int = 0


class PoolForm(forms.Form):
    pool = forms.IntegerField()
    host = forms.IntegerField(required=False)


class ReEnable(Runbook[Params]):
    """Stands for every runbook that asks for a pool."""

    name, title, summary = "re-enable-host", "Re-enable a host after a crash", "Enables it."
    when, goes_wrong, afterwards = "When a host is back, but CloudStack keeps it in Alert.", "Nothing.", "It is used again."
    risk, approvals, params = Risk.DISRUPTIVE, 0, Params
    pages = (Page("pool", "Pool", PoolForm),)

    def subject(self, params: Params) -> str:
        return f"pool {params.pool}"

    def plan(self, params: Params, facts: Any) -> tuple[()]:
        return ()


@pytest.fixture(autouse=True)
def books(settings: Any) -> Iterator[None]:
    settings.RUNBOOKS = [f"{__name__}.ReEnable", "tests.operations.books.Ledger"]
    registry.runbooks.cache_clear()
    yield
    registry.runbooks.cache_clear()


def shown(client: Client, pool: Pool, query: str = "", **headers: Any) -> str:
    response = client.get(reverse("pool", args=[pool.pk]) + query, **headers)
    assert response.status_code == 200
    return " ".join(response.content.decode().split())


def operation(pool: Pool, state: str = "running", **fields: Any) -> Operation:
    person = fields.pop("requester")
    return Operation.objects.create(
        runbook="re-enable-host", title="Re-enable a host", subject="xs2", state=state, requester=person, token=secrets.token_hex(8),
        locks=[pools.resource(pool)], started_at=timezone.now(), **fields,
    )  # fmt: skip


def test_a_well_pool(viewer: Client) -> None:
    vms = VmTable(total=31, by_host=(HostVms(U1, running=12), HostVms(U2, running=1), HostVms(U3, running=8)))
    page = shown(viewer, read(replace(WELL, vms=vms, space=(Space(SR, 8 * 10**12, 5 * 10**12),))))
    assert "The rulebook has nothing to say against this pool" in page
    assert "HA is on, timeout 180 s" in page and "heartbeat SR, nfs" in page
    assert "xs1: master, enabled, 12 running VMs, heartbeat SR plugged" in page
    assert ">1 VM<" in page and ">8 VMs<" in page
    assert "on 3 of 3" in page and "3.0 TB" in page
    assert "Of the 31 virtual machines of this pool, none has a restart priority" in page
    assert BASICS.uuid in page and U3 in page


def test_a_pool_with_everything_wrong(operator: Client) -> None:
    state = with_member(member(3, voice=Voice.HANGS, says_master="", says_ha=None, ha_armed=None))
    hosts = tuple(replace(host, enabled=host.uuid != U2) for host in state.hosts)
    assert state.storage is not None
    pbds = tuple(replace(pbd, attached=pbd.host != U2) for pbd in state.storage.pbds)
    vms = VmTable(total=1, protected=(Vm(VM1, "r-12-VM", "running", U1, "restart", True),), protected_total=1)
    basics = replace(BASICS, ha_timeout=None)
    pool = read(replace(state, hosts=hosts, storage=replace(state.storage, pbds=pbds), vms=vms, basics=basics))
    page = shown(operator, pool)
    assert "HA is on, timeout 60 s by default" in page
    assert "xs3: member, xe hangs" in page and "xe does not return: its pool master is probably unreachable." in page
    assert "xs2: member, disabled" in page and "heartbeat SR NOT plugged" in page
    assert "on 2 of 3" in page and "not on xs2" in page
    assert "r-12-VM" in page and "can run twice" in page
    disabled = Host.objects.get(name="xs2")
    assert f'href="/runbooks/re-enable-host/?pool={pool.pk}&amp;host={disabled.pk}"' in page
    assert "Re-enable the host" in page and "Source:" in page


def test_findings_come_with_reason_and_source_the_gravest_first(viewer: Client) -> None:
    page = shown(viewer, read(replace(with_host(2, enabled=False), basics=replace(BASICS, ha_timeout=None))))
    assert page.index("Warning") < page.index("xs2 is disabled.")
    assert "After a crash a host comes back disabled" in page
    assert "consider_enabling_host" in page


def test_who_only_looks_is_offered_nothing_that_acts(viewer: Client) -> None:
    page = shown(viewer, read(WELL))
    assert "Read again" not in page and reverse("pool_edit", args=[Pool.objects.get().pk]) not in page
    assert "Starting one needs the role of operator" in page


def test_a_pool_that_nobody_speaks_for_shows_its_hosts_as_they_are_now(viewer: Client) -> None:
    silent = tuple(member(number, voice=Voice.HANGS, says_master="", says_ha=None) for number in (1, 2, 3))
    page = shown(viewer, read(replace(WELL, members=silent, silence="xs1: xe does not return.")))
    assert "Nobody answers for the pool" in page and "everything else as it was" in page
    assert page.count("xe hangs") >= 3
    assert "nothing to say against" not in page


def test_ha_off_has_no_heartbeat_whatever_the_fields_still_say(viewer: Client) -> None:
    page = shown(viewer, read(off(ha_configuration="timeout: 180")))
    assert "HA is off" in page and "no heartbeat SR" in page and "heartbeat SR, nfs" not in page


def test_a_host_that_says_otherwise(viewer: Client) -> None:
    page = shown(viewer, read(with_member(member(2, master_address="10.0.0.99", says_master=U2))))
    assert "names xs2 as master" in page


def test_a_member_that_is_not_in_the_inventory_is_shown_too(viewer: Client) -> None:
    page = shown(viewer, read(replace(WELL, members=WELL.members[:2])))
    assert "xs3 <span" in page and "not in the inventory" in page


def test_hostile_names_are_text(viewer: Client) -> None:
    page = shown(viewer, read(with_host(2, name='<script>alert(1)</script>\n"xs2')))
    assert "<script>alert" not in page


@pytest.mark.parametrize(("kind", "words"), [("xenserver", "the portal recognises the pool"), ("kvm", "Add the hosts of this cluster")])
def test_a_pool_without_hosts_teaches_the_first_step(operator: Client, kind: str, words: str) -> None:
    pool = Pool.objects.create(name="empty", cloud=Cloud.objects.create(name="Berlin"), kind=kind)
    assert words in shown(operator, pool)


def test_a_pool_that_cannot_be_read_says_what_each_host_said(viewer: Client) -> None:
    cloud = Cloud.objects.create(name="Berlin")
    pool = Pool.objects.create(name="new", cloud=cloud, problem="xs1: login refused.", problem_at=timezone.now())
    Host.objects.create(
        name="xs1", address="10.0.0.11", pool=pool, cloud=cloud, contact="refused", contact_message="The password is wrong."
    )
    page = shown(viewer, pool)
    assert "Could not be read" in page and "xs1: login refused." in page
    assert "Login refused" in page and "The password is wrong." in page


def test_a_state_of_an_older_portal_counts_as_not_read(viewer: Client) -> None:
    pool = read(WELL)
    Pool.objects.filter(pk=pool.pk).update(state={"members": "?"})
    assert "The pool is read through its hosts" in shown(viewer, pool)


def test_an_old_state_is_not_shown_as_if_it_were_true_now(viewer: Client) -> None:
    pool = read(WELL)
    Pool.objects.filter(pk=pool.pk).update(state_at=timezone.now() - timedelta(hours=2))
    assert "This was read more than an hour ago" in shown(viewer, pool) and 'class="picture old"' in shown(viewer, pool)
    Pool.objects.filter(pk=pool.pk).update(problem="xs1: no route.", problem_at=timezone.now())
    page = shown(viewer, pool)
    assert "How it stands now is not known" in page and "as it was <time" in page


def test_a_kvm_cluster_is_its_hosts(viewer: Client) -> None:
    cloud = Cloud.objects.create(name="Berlin")
    pool = Pool.objects.create(name="kvm", cloud=cloud, kind="kvm")
    Host.objects.create(name="kvm1", address="10.0.0.11", pool=pool, cloud=cloud, kind="kvm")
    page = shown(viewer, pool)
    assert "kvm1" in page and "HA clock" not in page and "Emergency card" not in page


def test_interfaces_without_the_vlans(viewer: Client) -> None:
    pif = Pif("p1", U1, "bond0", "00:16:3e:00:00:01", -1, True, True, True, ("eth0", "eth1"), True)
    page = shown(viewer, read(replace(WELL, pifs=(pif, replace(pif, uuid="p2", device="xapi7", vlan=700, management=False)))))
    assert "eth0 + eth1" in page and "xapi7" not in page


class TestWorkers:
    def test_read_again_makes_it_due_and_the_page_looks_again(self, operator: Client, monkeypatch: pytest.MonkeyPatch) -> None:
        woken: list[str] = []
        monkeypatch.setattr(tasks, "wake_pools", lambda: woken.append("pools"))
        pool = read(WELL)
        assert "every 20s" in shown(operator, pool)
        page = operator.post(reverse("pool_read", args=[pool.pk]), follow=True).content.decode()
        assert woken == ["pools"] and "every 2s" in page and "A worker reads it" in page

    def test_nothing_is_sent_when_nothing_moved(self, viewer: Client) -> None:
        pool = read(WELL)
        seen = shown(viewer, pool).split("?seen=")[1][:16]
        again = viewer.get(reverse("pool", args=[pool.pk]), {"seen": seen}, **HTMX)  # type: ignore[arg-type]
        assert again.status_code == 204
        keep(pool, with_host(2, enabled=False))
        part = shown(viewer, pool, f"?seen={seen}", **HTMX)
        assert "xs2 is disabled" in part and "<html" not in part
        assert part.count('hx-swap-oob="true"') == 2, "the record beside the page and the news move with it"

    def test_what_changed_since_the_last_reading(self, viewer: Client) -> None:
        pool = read(WELL)
        change = {"name": "HA timeout", "before": "60 s", "after": "180 s"}
        PoolReading.objects.create(pool=pool, at=timezone.now(), changed=True, changes=[change])
        PoolReading.objects.create(pool=pool, at=timezone.now() - timedelta(hours=1), error="Nobody answered.")
        assert "<del>60 s</del>" in shown(viewer, pool)
        history = reverse("pool_history", args=[pool.pk])
        assert "Nobody answered." not in viewer.get(history).content.decode()
        assert "Nobody answered." in viewer.get(history, {"all": 1}).content.decode()

    def test_editing_leaves_what_a_worker_wrote(self, operator: Client) -> None:
        pool = read(WELL)
        response = operator.post(reverse("pool_edit", args=[pool.pk]), {"name": "renamed", "cloud": pool.cloud_id, "kind": "xcp-ng"})
        assert response.headers["Location"] == reverse("pool", args=[pool.pk])
        after = Pool.objects.get()
        assert (after.name, after.kind, after.state, after.state_at) == ("renamed", "xcp-ng", pool.state, pool.state_at)


class TestOperations:
    @pytest.fixture
    def left(self, person: Callable[..., Any]) -> Restoration:
        """A failed operation left HA off on a pool."""
        pool = read(off())
        failed = operation(pool, "failed", requester=person("bob"), ended_at=timezone.now())
        host = Host.objects.get(name="xs1")
        step = Step.objects.create(operation=failed, index=0, key="ha-off", title="Turn HA off", target=f"host:{host.pk}")
        way = WayBack("ha", pools.resource(pool), "HA is off", RunCommand(Command(("xe", "pool-ha-enable")), 600), ())
        return Restoration.objects.create(
            operation=failed, step=step, key="ha", resource=way.resource, target=step.target, title=way.title,
            way_back=WAY_BACK.dump_python(way, mode="json"), opened_at=timezone.now(),
        )  # fmt: skip

    def test_an_open_restoration_stands_on_top_with_its_button(self, left: Restoration, operator: Client) -> None:
        page = shown(operator, Pool.objects.get())
        assert page.index("Open restoration") < page.index("What the rulebook says")
        assert "Nothing else can run on this pool" in page and "xe pool-ha-enable" in page
        assert f'action="/restorations/{left.pk}/settle/"' in page

    def test_a_viewer_sees_it_without_the_button(self, left: Restoration, viewer: Client) -> None:
        page = shown(viewer, Pool.objects.get())
        assert "Open restoration" in page and "/settle/" not in page

    def test_it_is_named_on_the_list_of_clouds_and_on_the_home_page(self, left: Restoration, viewer: Client) -> None:
        assert "Open restoration" in viewer.get(reverse("clouds")).content.decode()
        assert f'on <a href="/hosts/pools/{Pool.objects.get().pk}/">pool-a</a>' in viewer.get(reverse("home")).content.decode()

    def test_what_works_on_the_pool_and_what_did(self, viewer: Client, person: Callable[..., Any]) -> None:
        pool, other, bob = read(WELL), read(WELL, "pool-b", base=9), person("bob")
        running, ended = operation(pool, requester=bob), operation(pool, "succeeded", requester=bob, ended_at=timezone.now())
        elsewhere = operation(other, requester=bob)
        page = shown(viewer, pool)
        assert page.index("Works on this pool now") < page.index(running.get_absolute_url())
        assert ended.get_absolute_url() in page and elsewhere.get_absolute_url() not in page

    def test_pools_whose_numbers_begin_alike_are_not_mixed_up(self, viewer: Client, person: Callable[..., Any]) -> None:
        pool = read(WELL)
        longer = operation(pool, requester=person("bob"))
        Operation.objects.filter(pk=longer.pk).update(locks=[f"pool:{pool.pk}0"])
        assert longer.get_absolute_url() not in shown(viewer, pool)

    def test_what_can_be_started_here_is_filled_in_already(self, operator: Client) -> None:
        pool = read(WELL)
        page = shown(operator, pool)
        assert "When a host is back, but CloudStack keeps it in Alert." in page and "Write a ledger" not in page
        start = operator.get(f"/runbooks/re-enable-host/?pool={pool.pk}").content.decode()
        assert "Filled in already" in start


class TestClock:
    def test_it_begins_with_the_pools_own_timeout(self, viewer: Client) -> None:
        page = shown(viewer, read(replace(WELL, basics=replace(BASICS, ha_timeout=150))))
        assert "Pool HA with 150 s" in page and "Pool HA with 60 s, the default" in page and "Pool HA with 180 s, as suggested" in page

    def test_it_answers_without_a_script(self, viewer: Client) -> None:
        page = shown(viewer, read(WELL), "?timeout=60&outage=75&what=network")
        assert "The network between the hosts fails for 75 s, and the HA timeout is 60 s." in page
        assert "At 60 s every host but one is fenced." in page

    def test_htmx_gets_the_clock_alone(self, viewer: Client) -> None:
        part = shown(viewer, read(WELL), "?timeout=60&outage=75&what=storage", HTTP_HX_TARGET="ha-clock", **HTMX)
        assert part.startswith('<div id="ha-clock">') or '<div id="ha-clock">' in part[:200]
        assert "The shared storage fails for 75 s" in part and "Hosts" not in part

    @pytest.mark.parametrize(
        "query", ["?timeout=5&outage=90&what=both", "?timeout=x&outage=&what=rain", "?timeout=60&outage=99999&what=both"]
    )
    def test_what_makes_no_sense_is_told_and_the_pools_own_is_shown(self, viewer: Client, query: str) -> None:
        page = shown(viewer, read(WELL), query)
        assert 'role="alert"' in page and "and the HA timeout is 180 s" in page


class TestLists:
    def test_a_pool_in_one_line(self, viewer: Client) -> None:
        read(with_host(2, enabled=False))
        read(off(), "pool-b", base=7)
        Pool.objects.create(name="pool-c", cloud=Cloud.objects.get(), kind="kvm")
        page = " ".join(viewer.get(reverse("clouds")).content.decode().split())
        assert "1 warning" in page and "xs1" in page and "180 s" in page
        assert "1 at risk" in page and "off" in page
        assert "KVM cluster" in page and "see its hosts" in page

    def test_hundreds_of_pools_take_as_many_queries_as_two(self, viewer: Client) -> None:
        def queries() -> int:
            with CaptureQueriesContext(
                connection,
            ) as caught:
                assert viewer.get(reverse("clouds")).status_code == 200
            return len(caught)

        first = read(WELL)
        few = queries()
        Pool.objects.bulk_create(
            Pool(name=f"pool-{number}", cloud=first.cloud, state=first.state, state_at=first.state_at, findings=first.findings)
            for number in range(300)
        )
        assert queries() == few

    def test_states_are_not_carried_into_the_list(self) -> None:
        read(WELL)
        (shelf,) = pools.listing().shelves
        assert "state" in shelf.pools[0].pool.get_deferred_fields()

    def test_of_several_clouds_a_few_pools_each_and_of_one_all_page_by_page(self, viewer: Client) -> None:
        clouds = [Cloud.objects.create(name=name) for name in ("Amsterdam", "Berlin")]
        Pool.objects.bulk_create(Pool(name=f"pool-{number:03}", cloud=cloud) for cloud in clouds for number in range(120))

        def page(**wanted: str | int) -> str:
            return " ".join(viewer.get(reverse("clouds"), wanted).content.decode().split())

        assert page().count("<tr>") == 2 * (pools.FEW + 1) and page().count(f"{pools.FEW} of 120") == 2
        one = page(cloud=clouds[1].pk, page=3)
        assert "101–120 of 120" in one and one.count("pool-1") >= 20 and "Amsterdam" not in one and "All clouds" in one
        assert page(q="berlin pool-11").count("<tr>") == pools.FEW + 1
        assert "No pool matches" in page(q="nowhere") and "No pool matches" in page(cloud=10**9)
        assert viewer.get(reverse("clouds"), {"cloud": "x", "page": "y"}).status_code == 200
        part = viewer.get(reverse("clouds"), {"q": "berlin"}, headers={"HX-Request": "true"}).content.decode()
        assert "<html" not in part and "Berlin" in part and "Amsterdam" not in part

    def test_home_names_pools_at_risk_the_gravest_first(self, viewer: Client) -> None:
        read(with_host(2, enabled=False), "only-a-warning", base=3)
        read(off(), "without-ha", base=4)
        lost = read(WELL, "lost", base=5)
        Pool.objects.filter(pk=lost.pk).update(problem="Nobody could be reached.", problem_at=timezone.now())
        page = viewer.get(reverse("home")).content.decode()
        assert page.index("lost") < page.index("without-ha") < page.index("only-a-warning")
        assert "When the master dies nobody replaces it" in page and "could not be read" in page
        assert "All is quiet" not in page

    def test_home_is_quiet_about_a_well_pool(self, viewer: Client) -> None:
        read(WELL)
        assert "All is quiet" in viewer.get(reverse("home")).content.decode()


class TestCard:
    def test_it_has_the_commands_for_its_own_pool(self, viewer: Client) -> None:
        pool = read(WELL)
        page = viewer.get(reverse("pool_card", args=[pool.pk])).content.decode()
        assert f"xe pool-ha-enable heartbeat-sr-uuids={SR} ha-config:timeout=180" in page
        assert f"xe host-enable uuid={U2}" in page
        assert "Read from the pool" in page and reverse("pool_card_text", args=[pool.pk]) in page

    def test_the_text_is_a_file_to_keep(self, viewer: Client) -> None:
        response = viewer.get(reverse("pool_card_text", args=[read(WELL).pk]))
        assert response.headers["Content-Type"] == "text/plain; charset=utf-8"
        assert response.headers["Content-Disposition"] == 'attachment; filename="emergency-card-amsterdam-pool-a.txt"'
        assert "xe pool-emergency-transition-to-master" in response.content.decode()

    def test_a_pool_that_was_never_read_says_what_to_put_in(self, viewer: Client) -> None:
        cloud = Cloud.objects.create(name="Berlin")
        pool = Pool.objects.create(name="new", cloud=cloud)
        Host.objects.create(name="xs1", address="10.0.0.11", pool=pool, cloud=cloud)
        text = viewer.get(reverse("pool_card_text", args=[pool.pk])).content.decode()
        assert "never: put in what stands in capitals yourself" in text and "xe host-enable uuid=HOST-UUID" in text and "10.0.0.11" in text


def test_pools_are_called_by_name_wherever_a_number_stands(viewer: Client) -> None:
    pool = read(WELL)
    assert pools.called([str(pool.pk), "x", ""]) == {str(pool.pk): ("pool-a", f"/hosts/pools/{pool.pk}/")}


def test_the_state_is_as_the_tests_of_the_findings_have_it() -> None:
    assert isinstance(PoolState.of(read(WELL).state), PoolState)
