"""Reading many hosts in a worker: what is kept, what the pages say, and what a bad host cannot do."""

from __future__ import annotations

import socket
from datetime import timedelta
from pathlib import Path

import pytest
from django.test import Client
from django.urls import reverse
from django.utils import timezone

from hosts import reading, tasks
from hosts.models import Contact, Credential, Host, HostReading
from tests.hosts.inventory import known
from tests.hosts.machine import Machine, free_port

pytestmark = pytest.mark.django_db


def again(host: Host) -> Host:
    Host.objects.filter(pk=host.pk).update(next_read_at=timezone.now(), claim="")
    tasks.read_due()
    host.refresh_from_db()
    return host


def test_facts_age_and_history(operator: Client, key: Credential, machine: Machine) -> None:
    machine.authorized.write_text(key.public + "\n")
    host = again(known(machine, key))
    assert host.contact == Contact.OK
    assert host.facts["kernel"] == Path("/proc/sys/kernel/osrelease").read_text().strip()
    assert host.next_read_at > timezone.now()
    Host.objects.update(facts={**host.facts, "kernel": "2.6.32.43"})
    again(host)
    again(host)
    assert [bool(kept.changes) for kept in host.readings.all()] == [False, True, False]
    assert "2.6.32.43" in operator.get(host.get_absolute_url()).content.decode()


def test_one_bad_host_does_not_keep_the_others(key: Credential, machine: Machine) -> None:
    machine.authorized.write_text(key.public + "\n")
    known(machine, key, "good")
    known(machine, key, "changed", address="127.0.0.2", wrong=True)
    gone = known(machine, key, "gone", address="127.0.0.3")
    Host.objects.filter(pk=gone.pk).update(port=free_port())
    Host.objects.create(name="no key", address="10.0.0.4", credential=key)
    Host.objects.create(name="no credential", address="10.0.0.5")
    tasks.read_due()
    assert dict(Host.objects.values_list("name", "contact")) == {
        "good": Contact.OK,
        "changed": Contact.KEY_CHANGED,
        "gone": Contact.UNREACHABLE,
        "no key": Contact.KEY_UNKNOWN,
        "no credential": Contact.REFUSED,
    }
    assert HostReading.objects.count() == 5


def test_a_changed_key_sends_nothing_and_keeps_the_old_facts(operator: Client, key: Credential, machine: Machine) -> None:
    machine.authorized.write_text(key.public + "\n")
    host = again(known(machine, key))
    before, accepted = host.facts, machine.log().count("Accepted")
    machine.install_again()
    again(host)
    assert (host.contact, host.facts) == (Contact.KEY_CHANGED, before)
    assert machine.log().count("Accepted") == accepted
    assert "Nothing was sent" in operator.get(host.get_absolute_url()).content.decode()


def test_the_keys_a_host_shows_now_are_read_by_a_worker_and_pinned(
    operator: Client, administrator: Client, key: Credential, machine: Machine
) -> None:
    machine.authorized.write_text(key.public + "\n")
    host = known(machine, key, wrong=True)
    operator.post(reverse("host_scan", args=[host.pk]))
    assert "asks the host for its keys" in operator.get(host.get_absolute_url()).content.decode()
    tasks.scan_host(host.pk)
    assert machine.fingerprint() in operator.get(host.get_absolute_url()).content.decode()
    administrator.post(reverse("host_pin", args=[host.pk]), {"key": machine.fingerprint(), "reason": "installed again"})
    assert again(host).contact == Contact.OK


def test_a_scan_of_a_dead_host_says_why(operator: Client, key: Credential, machine: Machine) -> None:
    host = known(machine, key)
    machine.stop()
    operator.post(reverse("host_scan", args=[host.pk]))
    Host.objects.update(scan_asked_at=timezone.now() - timedelta(minutes=1))
    tasks.read_due()
    host.refresh_from_db()
    assert host.offer_error and not host.offered and not host.scanning
    assert host.offer_error[:40] in operator.get(host.get_absolute_url()).content.decode().replace("&#x27;", "'")


def test_a_host_that_hangs_is_called_slow(key: Credential, machine: Machine, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(reading, "ANSWER_SECONDS", 0.5)
    machine.options = ("ForceCommand sleep 60",)
    machine.stop()
    machine.start()
    machine.authorized.write_text(key.public + "\n")
    assert again(known(machine, key)).contact == Contact.SLOW


def test_a_host_that_greets_instead_of_answering(key: Credential, machine: Machine) -> None:
    machine.authorized.write_text(f'command="echo This account is not available" {key.public}\n')
    host = again(known(machine, key))
    assert host.contact == Contact.UNREADABLE
    assert "This account is not available" in host.contact_message


def test_two_workers_do_not_read_the_same_host(key: Credential) -> None:
    for number in range(30):
        Host.objects.create(name=f"h{number}", address=f"10.0.0.{number + 1}", credential=key)
    first, second = reading.claim(20), reading.claim(20)
    assert len(first) == 20 and len(second) == 10
    assert not {host.pk for host in first} & {host.pk for host in second}
    assert not reading.claim(20)
    Host.objects.update(next_read_at=timezone.now())
    assert len(reading.claim(50)) == 30


def test_a_host_removed_while_it_is_read_leaves_nothing(key: Credential, machine: Machine) -> None:
    host = known(machine, key)
    (claimed,) = reading.claim(5)
    host.delete()
    reading.store([reading.Answer(claimed, timezone.now(), Contact.UNREACHABLE, "No route.")])
    assert not HostReading.objects.exists()


def test_readings_that_say_nothing_new_are_forgotten_first(key: Credential, machine: Machine) -> None:
    host, now = known(machine, key), timezone.now()
    for days, changed in ((0, False), (3, False), (3, True), (400, True)):
        HostReading.objects.create(host=host, at=now - timedelta(days=days), changed=changed)
    reading.trim()
    assert sorted((now - kept.at).days for kept in HostReading.objects.all()) == [0, 3]


def test_a_server_that_never_greets_is_given_up(key: Credential, machine: Machine) -> None:
    host = known(machine, key)
    with socket.create_server(("127.0.0.1", 0)) as silent:
        Host.objects.filter(pk=host.pk).update(port=silent.getsockname()[1])
        host.refresh_from_db()
        assert again(host).contact in (Contact.SLOW, Contact.UNREACHABLE)
