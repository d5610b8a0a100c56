"""The lab page: the truth about the practice cloud, faults as buttons, and exercises that are done by what is, not by clicks."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from django.contrib.auth.models import User
from django.test import Client
from django.urls import reverse
from django.utils import timezone

from opsportal.lab import control, participants
from opsportal.lab.machines.lab import Lab
from opsportal.lab.xen.world import World
from opsportal.operations.models import AuditEntry, Operation
from tests.lab.machines.stage import Stage
from tests.lab.machines.test_hosts import HOST, refused, until

FIELDS = {"seat": "1", "host": HOST}


def read(client: Client) -> str:
    answer = client.get(reverse("lab"))
    assert answer.status_code == 200
    return answer.content.decode()


def test_it_shows_every_host_and_only_an_operator_has_buttons(stage: Stage, viewer: Client, operator: Client) -> None:
    seen, offered = read(viewer), read(operator)
    for ident in stage.lab.machines("1"):
        assert ident in seen
    assert "nothing here is real" in seen
    assert f"Pull the plug of {HOST}" in offered and f"Pull the plug of {HOST}" not in seen
    assert reverse("pool", args=[stage.pool("practice-a").pk]) in seen


def test_a_button_does_what_it_says(stage: Stage, operator: Client) -> None:
    answer = operator.post(reverse("lab_fault"), {**FIELDS, "name": "pull_plug"}, follow=True)
    assert f"The plug of {HOST} was pulled." in answer.content.decode()
    until(lambda: refused(stage))
    assert f"Switch {HOST} on" in read(operator)
    assert stage.pool("practice-a").next_read_at <= timezone.now(), "the inventory looks again"
    assert AuditEntry.objects.filter(action="lab.act", subject="1").exists()


@pytest.mark.parametrize(
    "wrong", [{"name": "dump"}, {"name": "pull_plug", "host": "xen-z9"}, {"name": "cut_network"}, {"name": "hang_xe", "seconds": "-1"}]
)
def test_what_cannot_be_done_changes_nothing_and_says_so(stage: Stage, operator: Client, wrong: dict[str, str]) -> None:
    answer = operator.post(reverse("lab_fault"), {**FIELDS, **wrong}, follow=True)
    assert answer.status_code == 200 and "message bad" in answer.content.decode()
    assert control.state("1")["events"] == []


def test_without_a_practice_cloud_it_says_what_to_do(viewer: Client, settings: Any, tmp_path: Path) -> None:
    settings.STATE_DIR = tmp_path
    assert "make run" in read(viewer)


def test_a_refusal_on_two_hosts_solves_the_first_exercise(stage: Stage, operator: Client, person: Callable[..., User]) -> None:
    assert "circle-check" not in read(operator).split("The first hour")[1].split("</ol>")[0]
    blocked = [{"level": "block", "sentence": "Two hosts."}]
    Operation.objects.create(
        runbook="enable-pool-ha", params={"pool": stage.pool("practice-b").pk}, findings=blocked, requester=person("pia", "operator")
    )
    read(operator)
    assert control.state("1")["done"] == ["refused"]


def test_a_clone_with_a_uuid_of_its_own_solves_the_last_one(stage: Stage, operator: Client) -> None:
    seats = control.state("1")
    uuids = [host["uuid"] for host in seats["hosts"]]
    (twin,) = [one for one in set(uuids) if uuids.count(one) == 2]
    ident = next(host["id"] for host in seats["hosts"] if host["uuid"] == twin)
    assert "they have the same UUID" in read(operator)
    new = "s/^INSTALLATION_UUID=.*/INSTALLATION_UUID='11111111-2222-4333-8444-555555555555'/"
    stage.run(ident, script=f'service xapi stop; sed -i "{new}" /etc/xensource-inventory; service xapi start')
    until(lambda: read(operator) and "unique" in control.state("1")["done"])
    assert "they have the same UUID" not in read(operator)


def test_beginning_anew_forgets_what_was_solved(stage: Stage, operator: Client) -> None:
    control.solved("1", ["refused"])
    operator.post(reverse("lab_reset"), {"seat": "1"})
    assert control.state("1")["done"] == []


def test_a_participant_sees_and_disturbs_the_own_seat_alone(tmp_path: Path, settings: Any, db: None) -> None:
    settings.STATE_DIR = tmp_path
    with Lab(control.folder(), {"1": World.practice, "2": World.practice}):
        assert participants.make(["1", "2"], tmp_path / "logins") == 4 and participants.make(["1", "2"], tmp_path / "logins") == 0
        name, password = (tmp_path / "logins").read_text().splitlines()[2].split("\t")
        client, user = Client(), User.objects.get(username=name)
        assert name == "seat2" and user.check_password(password)
        client.force_login(user)
        assert "127.77.2.11" in read(client) and "127.77.1.11" not in read(client) and "Seat 1" not in read(client)
        assert client.post(reverse("lab_fault"), {**FIELDS, "name": "pull_plug"}).status_code == 403
        assert client.post(reverse("lab_fault"), {**FIELDS, "seat": "2", "name": "pull_plug"}).status_code == 302
        powered = [control.state(seat)["hosts"][0]["powered"] for seat in "12"]
        assert powered == [True, False]
