"""Add host, against a real OpenSSH server: what the person sees at each step, and what can go wrong."""

from __future__ import annotations

import socket
from collections.abc import Callable
from datetime import timedelta
from pathlib import Path

import pytest
from django.test import Client
from django.urls import reverse
from django.utils import timezone

from hosts import tasks
from hosts.connections import connect
from hosts.models import Credential, Host, HostDraft
from opsportal.operations.models import AuditEntry
from opsportal.transport.command import Command
from tests.hosts.machine import LEGACY, Machine, free_port

pytestmark = pytest.mark.django_db


def begin(client: Client, key: Credential, port: int, **more: object) -> HostDraft:
    answer = client.post(reverse("host_new"), {"address": "127.0.0.1", "port": port, "credential": key.pk, **more})
    assert answer.status_code == 302, answer.context["form"].errors
    return HostDraft.objects.get()


def work(draft: HostDraft) -> HostDraft:
    """What the worker does with the message that the page sent."""
    tasks.go_on(str(draft.pk))
    draft.refresh_from_db()
    return draft


def page(client: Client, draft: HostDraft) -> str:
    return client.get(draft.get_absolute_url()).content.decode()


def pin(client: Client, draft: HostDraft, *prints: str, expected: str = "") -> str:
    return client.post(reverse("host_draft_pin", args=[draft.pk]), {"key": prints, "expected": expected}, follow=True).content.decode()


def test_from_an_address_to_a_host_that_can_be_used(operator: Client, key: Credential, machine: Machine) -> None:
    machine.authorized.write_text(key.public + "\n")
    draft = begin(operator, key, machine.port)
    assert "Reading the host" in page(operator, draft)
    work(draft)
    assert machine.fingerprint() in page(operator, draft)
    assert "Accepted" not in machine.log() and "userauth-request" not in machine.log()
    pin(operator, draft, machine.fingerprint())
    assert "Logging in" in page(operator, draft)
    work(draft)
    assert Path("/proc/sys/kernel/osrelease").read_text().strip() in page(operator, draft)
    saved = operator.post(reverse("host_draft_save", args=[draft.pk]), {"name": "build1", "kind": "build", "tags": "b a"})
    host = Host.objects.get()
    assert saved.headers["Location"] == host.get_absolute_url()
    assert (host.name, host.contact, host.tag_list, host.credential) == ("build1", "ok", ["a", "b"], key)
    assert host.keys.get().fingerprint == machine.fingerprint()
    assert not HostDraft.objects.exists()
    assert AuditEntry.objects.get(action="host.add").detail["pinned"] == [machine.fingerprint()]
    transport = connect(str(host.pk))
    assert transport.run(Command(argv=("echo", "$(id)")), timeout=10).out == "$(id)\n"
    transport.close()


def test_a_pasted_fingerprint_is_compared_letter_by_letter(operator: Client, key: Credential, machine: Machine) -> None:
    draft = work(begin(operator, key, machine.port))
    assert "None of the keys shown has this fingerprint" in pin(operator, draft, expected=machine.fingerprint()[:-1] + "x")
    draft.refresh_from_db()
    assert not draft.pinned
    pin(operator, draft, expected=f" {machine.fingerprint()} ")
    draft.refresh_from_db()
    assert draft.pinned


@pytest.mark.parametrize("prints", [(), ("SHA256:forged",)])
def test_only_a_ticked_key_that_the_host_showed_is_pinned(
    prints: tuple[str, ...], operator: Client, key: Credential, machine: Machine
) -> None:
    draft = work(begin(operator, key, machine.port))
    pin(operator, draft, *prints)
    draft.refresh_from_db()
    assert (draft.state, draft.pinned) == ("scanned", False)


def test_nothing_listens(operator: Client, key: Credential) -> None:
    draft = work(begin(operator, key, free_port()))
    assert (draft.state, draft.problem) == ("failed", "transport:unreachable")
    assert "The host cannot be reached" in page(operator, draft)


def test_something_listens_and_never_answers(operator: Client, key: Credential, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("hosts.connections.SCAN_SECONDS", 1)
    with socket.create_server(("127.0.0.1", 0)) as silent:
        draft = work(begin(operator, key, silent.getsockname()[1]))
    assert draft.state == "failed"
    assert draft.problem in ("transport:timeout", "transport:unreachable")
    assert draft.message in page(operator, draft).replace("&#x27;", "'")


def test_the_login_is_refused_and_tried_again(operator: Client, key: Credential, machine: Machine) -> None:
    draft = work(begin(operator, key, machine.port))
    pin(operator, draft, machine.fingerprint())
    work(draft)
    assert draft.problem == "transport:authentication"
    text = page(operator, draft)
    assert "The host refused the login" in text and key.public.split()[1] in text
    machine.authorized.write_text(key.public + "\n")
    operator.post(reverse("host_draft_login", args=[draft.pk]))
    assert work(draft).state == "read"


def test_the_key_changes_between_pinning_and_login(operator: Client, key: Credential, machine: Machine) -> None:
    machine.authorized.write_text(key.public + "\n")
    draft = work(begin(operator, key, machine.port))
    pin(operator, draft, machine.fingerprint())
    machine.install_again()
    work(draft)
    assert (draft.problem, draft.pinned) == ("transport:host-key-changed", False)
    assert "Nothing was sent" in page(operator, draft)
    assert "userauth-request" not in machine.log()
    operator.post(reverse("host_draft_login", args=[draft.pk]))
    assert HostDraft.objects.get().state == "failed"


def test_an_old_dom0_is_reached_only_when_marked_legacy(operator: Client, key: Credential, tmp_path: Path, administrator: Client) -> None:
    administrator.post(reverse("credential_new"), {"name": "rsa", "username": key.username, "way": "make", "algorithm": "rsa"})
    rsa = Credential.objects.get(name="rsa")
    old = Machine(tmp_path / "old", options=LEGACY, kinds=("rsa",)).start()
    try:
        old.authorized.write_text(rsa.public + "\n")
        draft = work(begin(operator, rsa, old.port))
        assert draft.problem == "transport:algorithms"
        assert "Mark as legacy" in page(operator, draft)
        operator.post(reverse("host_draft_scan", args=[draft.pk]), {"legacy": "yes"})
        draft.refresh_from_db()
        work(draft)
        assert [offer["fingerprint"] for offer in draft.keys] == [old.fingerprint("rsa")]
        pin(operator, draft, old.fingerprint("rsa"))
        assert work(draft).state == "read", draft.message
        operator.post(reverse("host_draft_save", args=[draft.pk]), {"name": "xen65", "kind": "xenserver"})
        assert Host.objects.get().legacy
        entry = AuditEntry.objects.get(action="host.add")
        assert entry.alarming and entry.detail["legacy"]
    finally:
        old.stop()


def test_a_draft_survives_and_can_be_changed(operator: Client, key: Credential, machine: Machine) -> None:
    draft = work(begin(operator, key, machine.port))
    assert draft.get_absolute_url() in operator.get(reverse("host_new")).content.decode()
    answer = operator.post(f"{reverse('host_new')}?draft={draft.pk}", {"address": "127.0.0.1", "port": free_port(), "credential": key.pk})
    assert answer.headers["Location"] == draft.get_absolute_url()
    draft.refresh_from_db()
    assert (draft.state, draft.keys, draft.pinned) == ("scanning", [], False)


def test_a_changed_address_voids_the_pinned_keys(operator: Client, key: Credential, machine: Machine) -> None:
    draft = work(begin(operator, key, machine.port))
    pin(operator, draft, machine.fingerprint())
    operator.post(f"{reverse('host_new')}?draft={draft.pk}", {"address": "127.0.0.2", "port": machine.port, "credential": key.pk})
    draft.refresh_from_db()
    assert (draft.pinned, draft.keys) == (False, [])


def test_an_answer_to_an_older_question_is_dropped(operator: Client, key: Credential, machine: Machine) -> None:
    from hosts import adding

    draft = begin(operator, key, machine.port)
    late = HostDraft.objects.get()
    operator.post(reverse("host_draft_scan", args=[draft.pk]), {"legacy": "yes"})
    adding.scan(late)
    draft.refresh_from_db()
    assert (draft.state, draft.keys) == ("scanning", [])


def test_a_lost_message_is_picked_up_by_the_schedule(operator: Client, key: Credential, machine: Machine) -> None:
    draft = begin(operator, key, machine.port)
    HostDraft.objects.update(asked_at=timezone.now() - timedelta(minutes=1))
    assert "Is a worker for the queue" in page(operator, draft)
    tasks.read_due()
    draft.refresh_from_db()
    assert draft.state == "scanned"


def test_saving_twice_makes_one_host(operator: Client, key: Credential, machine: Machine) -> None:
    machine.authorized.write_text(key.public + "\n")
    draft = work(begin(operator, key, machine.port))
    pin(operator, draft, machine.fingerprint())
    work(draft)
    url = reverse("host_draft_save", args=[draft.pk])
    assert operator.post(url, {"name": "<b>", "kind": "build"}).status_code == 422
    assert operator.post(url, {"name": "one", "kind": "build"}).status_code == 302
    assert operator.post(url, {"name": "two", "kind": "build"}).status_code == 404
    assert Host.objects.count() == 1


@pytest.mark.parametrize("address", ["-oProxyCommand=id", "169.254.169.254", "a b", "", "x" * 300, "127.0.0.1; id"])
def test_a_bad_address_is_refused_at_the_field(address: str, operator: Client, credential: Credential) -> None:
    answer = operator.post(reverse("host_new"), {"address": address, "port": 22, "credential": credential.pk})
    assert answer.status_code == 422 and "address" in answer.context["form"].errors
    assert not HostDraft.objects.exists()


def test_a_host_that_is_there_already_is_named(operator: Client, credential: Credential) -> None:
    Host.objects.create(name="xen1", address="10.0.0.1")
    answer = operator.post(reverse("host_new"), {"address": "10.0.0.1", "port": 22, "credential": credential.pk})
    assert "This is xen1" in answer.content.decode()


def test_without_a_credential_the_page_says_who_can_make_one(logged_in: Callable[..., Client]) -> None:
    assert "There is no credential yet" in logged_in("operator").get(reverse("host_new")).content.decode()
