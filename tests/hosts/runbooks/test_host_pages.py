"""The wizard's pages of the runbooks on membership, recovery, maintenance and clones, with what a worker read."""

from __future__ import annotations

import dataclasses
import secrets
from collections.abc import Callable
from typing import Any

import pytest
from django.contrib.auth.models import User
from django.test import Client
from django.urls import reverse

from hosts.facts.portal import InventoryHost
from hosts.models import Cloud, Credential, Host, Pool
from hosts.xen.facts import MemberView, PoolHosts
from hosts.xen.more_facts import Disk, DisksOn, WhoItWas
from hosts.xen.state import Voice
from opsportal.operations import planning, registry
from opsportal.operations.models import Operation
from tests.hosts.runbooks.known import LOCAL, U1, U2, U3, U9, Known, host, row, silent
from tests.hosts.runbooks.test_make_unique import DOMAIN, INVENTORY, NEW, NOW, clone
from tests.hosts.runbooks.test_membership import joining, leaving
from tests.hosts.runbooks.test_recover_pool import armed, bereft, sees
from tests.hosts.runbooks.test_rolling_maintenance import running

__all__ = ["clone"]
pytestmark = pytest.mark.django_db
HOSTILE = "xs03<script>alert(1)</script>\u202e\nname"
Show = Callable[..., str]


@pytest.fixture
def inventory(credential: Credential) -> Pool:
    """Pool 1 with hosts 1 to 3, and host 9 alone."""
    cloud = Cloud.objects.create(name="cloud")
    pool = Pool.objects.create(pk=1, name="pool-a", cloud=cloud)
    for number in (1, 2, 3, 9):
        place = {"pool": pool} if number < 9 else {}
        Host.objects.create(pk=number, name=f"xs0{number}", address=f"10.0.0.1{number}", kind="xenserver", credential=credential, **place)
    return pool


@pytest.fixture
def show(inventory: Pool, operator: Client) -> Show:
    """A page of a draft whose facts are `known`: status 200, and nothing of a name is taken for markup."""
    user = User.objects.get(pk=operator.session["_auth_user_id"])

    def make(book: str, slug: str, known: Known, **params: Any) -> str:
        found = registry.get(book)
        given = found.initial() | found.fresh() | params
        operation = planning.create(book, user=user, token=secrets.token_hex(8), params=given)
        look = found.look(slug, operation.parsed(), known.facts())
        Operation.objects.filter(pk=operation.pk).update(looks={slug: look}, planned_revision=operation.revision)
        answer = operator.get(reverse("operation_page", args=[operation.pk, slug]))
        text = answer.content.decode()
        assert answer.status_code == 200 and "<script>alert" not in text
        return text

    return make


def test_the_clone_page_sets_old_and_new_side_by_side(show: Show, clone: Known) -> None:
    text = show("make-unique", "host", clone, host=9, mode="dhcp", host_uuid=NEW, domain_uuid=DOMAIN)
    assert U9 in text and NEW in text and DOMAIN in text and "xs01" in text
    assert "eth0, DHCP" in text


def test_a_clone_that_cannot_be_read_says_why(show: Show, clone: Known) -> None:
    clone.fail(MemberView("host:9"), "host:9 could not be asked: No connection to xs09.")
    assert "No connection to xs09" in show("make-unique", "host", clone, host=9)


def test_the_template_page_shows_every_line_of_the_script(show: Show, clone: Known) -> None:
    text = show("prepare-template", "host", clone, host=9)
    assert "this is the template itself" in text and NOW.mac in text and INVENTORY.splitlines()[1].split("'")[1] in text


def test_the_page_of_a_join_compares_with_the_master(show: Show, credential: Credential) -> None:
    known = joining()
    known.say(PoolHosts(row(U9).target), (host(U9, build="70446c"),))
    text = show("add-host-to-pool", "host", known, pool=1, joiner=9, credential=0)
    assert "90233c" in text and "70446c" in text and "differs" in text and "HA is off, so it stays off" in text


def test_a_host_that_cannot_be_asked_is_shown_with_the_reason(show: Show) -> None:
    known = joining()
    known.fail(MemberView(row(U9).target), "host:9 could not be asked: No connection to xs09.")
    assert "No connection to xs09" in show("add-host-to-pool", "host", known, pool=1, joiner=9)


def test_the_page_of_a_removal_names_what_is_lost(show: Show) -> None:
    known = leaving(ha=True)
    known.say(PoolHosts("host:1"), (host(U1), host(U2), host(U3, name=HOSTILE)))
    known.say(DisksOn("host:1", LOCAL), (Disk("d1" + U1[2:], HOSTILE, LOCAL, 50 * 1024**3),))
    text = show("remove-host-from-pool", "host", known, pool=1, host=U3)
    assert "Local storage" in text and LOCAL in text and "50" in text and "erases local storage" in text
    assert "&lt;script&gt;" in text and "\u202e" not in text


def test_a_successor_is_asked_for_only_where_one_is_needed(show: Show) -> None:
    text = show("remove-host-from-pool", "master", leaving(), pool=1, host=U1)
    assert f'value="{U2}"' in text and f'value="{U3}"' in text and f'value="{U1}"' not in text
    assert "Nothing is to be chosen here" in show("remove-host-from-pool", "master", leaving(), pool=1, host=U3)


def test_the_page_of_a_recovery_shows_what_each_host_says(show: Show) -> None:
    known = bereft()
    sees(known, U3, dataclasses.replace(silent(U3, Voice.ERROR), said=HOSTILE))
    text = show("recover-pool", "host", known, pool=1, what="promote", host=U2)
    assert "xe does not return" in text and "follows 10.0.0.11" in text and "master at the last reading" not in text
    assert "Last resort" not in text and "The old master is switched off" in text


def test_the_last_resort_is_offered_only_where_ha_is_armed(show: Show) -> None:
    text = show("recover-pool", "host", armed(), pool=1, what="promote", host=U2)
    assert "Last resort" in text and "HA is armed on xs02, xs03" in text and "180 s" in text


@pytest.mark.parametrize("slug", ["hosts", "work"])
def test_the_pages_of_maintenance_show_whose_turn_it_is(show: Show, slug: str) -> None:
    text = show("rolling-maintenance", slug, running(), pool=1, skip=[U2], run="cafe")
    turns = text[text.index("Whose turn it is when") :]
    assert turns.index("xs01") < turns.index("xs03") and "xs02" not in turns[: turns.index("</ol>")]


@pytest.mark.parametrize(
    ("book", "slug"),
    [
        ("make-unique", "host"), ("prepare-template", "host"), ("add-host-to-pool", "host"), ("remove-host-from-pool", "host"),
        ("remove-host-from-pool", "master"), ("recover-pool", "pool"), ("recover-pool", "host"), ("rolling-maintenance", "hosts"),
    ],
)  # fmt: skip
def test_before_anything_is_chosen_a_page_says_what_to_do(show: Show, book: str, slug: str) -> None:
    assert show(book, slug, Known())


def test_facts_of_the_inventory_are_those_of_the_database(inventory: Pool) -> None:
    assert InventoryHost("portal", 9).read(None).address == "10.0.0.19"  # type: ignore[arg-type] # it reads the database only
    assert WhoItWas.pinned
