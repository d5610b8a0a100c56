"""Credentials: made, pasted, replaced, and never seen again."""

from __future__ import annotations

import os
import subprocess
from collections.abc import Callable
from pathlib import Path

import pytest
from django.core.management import CommandError, call_command
from django.db import connection
from django.test import Client
from django.urls import reverse
from django.utils.html import escape

from hosts import tasks
from hosts.models import Contact, Credential, Host
from opsportal.operations.models import AuditEntry
from tests.hosts.inventory import known
from tests.hosts.machine import Machine

pytestmark = pytest.mark.django_db
PASSWORD = "correct-horse-battery-staple"


def everything_stored() -> str:
    """Every text in the database."""
    found = []
    with connection.cursor() as cursor:
        for table in connection.introspection.table_names(cursor):
            cursor.execute(f"SELECT * FROM {connection.ops.quote_name(table)}")  # noqa: S608 - names from the database itself
            found.append(repr(cursor.fetchall()))
    return "\n".join(found)


def new_key(folder: Path, kind: str = "ed25519", passphrase: str = "") -> str:
    path = folder / f"pasted-{kind}-{bool(passphrase)}"
    subprocess.run(["ssh-keygen", "-q", "-t", kind, "-N", passphrase, "-C", "", "-f", str(path)], check=True)
    return path.read_text()


def test_a_key_made_here_shows_its_public_half_only(administrator: Client, key: Credential) -> None:
    page = administrator.get(key.get_absolute_url()).content.decode()
    assert key.public in page and key.fingerprint in page
    assert key.public.startswith("ssh-ed25519 ")
    assert key.secret not in page
    assert "PRIVATE KEY" not in page and "PRIVATE KEY" not in everything_stored()
    assert AuditEntry.objects.get(action="credential.add").subject == "portal key"


@pytest.mark.parametrize(("kind", "passphrase"), [("ed25519", ""), ("rsa", ""), ("ed25519", "a pass phrase")])
def test_a_pasted_key(kind: str, passphrase: str, keys: Path, administrator: Client, tmp_path: Path) -> None:
    text = new_key(tmp_path, kind, passphrase)
    new = {"name": "pasted", "username": "root", "way": "paste", "private_key": text.replace("\n", "\r\n"), "passphrase": passphrase}
    assert administrator.post(reverse("credential_new"), new).status_code == 302
    made = Credential.objects.get()
    public = (tmp_path / f"pasted-{kind}-{bool(passphrase)}.pub").read_text().split()
    assert made.public.split()[:2] == public[:2]
    assert text.splitlines()[2] not in everything_stored()


@pytest.mark.parametrize(
    "text",
    [
        "",
        "hello",
        "-----BEGIN OPENSSH PRIVATE KEY-----\nAAAA\n-----END OPENSSH PRIVATE KEY-----\n",
        "ssh-ed25519 AAAAC3NzaC1lZDI1NTE5 x",
        "x" * 30_000,
    ],
)
def test_what_is_no_private_key_is_refused_and_not_shown_again(text: str, keys: Path, administrator: Client) -> None:
    answer = administrator.post(reverse("credential_new"), {"name": "p", "username": "root", "way": "paste", "private_key": text})
    assert answer.status_code == 422
    assert answer.context["secret"].errors["private_key"]
    assert not text.strip() or text.strip() not in answer.content.decode()
    assert not Credential.objects.exists()


def test_a_wrong_passphrase_is_said(keys: Path, administrator: Client, tmp_path: Path) -> None:
    new = {
        "name": "p",
        "username": "root",
        "way": "paste",
        "private_key": new_key(tmp_path, passphrase="right one"),
        "passphrase": "wrong one",
    }
    answer = administrator.post(reverse("credential_new"), new)
    assert answer.status_code == 422
    assert "wrong one" not in answer.content.decode()


def test_a_password_is_in_no_page_no_row_and_no_log(keys: Path, administrator: Client, caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(0)
    new = {"name": "p", "username": "root", "way": "password", "password": PASSWORD}
    answer = administrator.post(reverse("credential_new"), new, follow=True)
    assert answer.redirect_chain
    made = Credential.objects.get()
    assert (made.kind, made.public) == ("password", "")
    for name in ("credential", "credential_edit", "credential_rotate"):
        assert PASSWORD not in administrator.get(reverse(name, args=[made.pk])).content.decode()
    assert PASSWORD not in answer.content.decode() + everything_stored() + caplog.text
    refused = administrator.post(reverse("credential_new"), {**new, "name": "-"})
    assert refused.status_code == 422 and PASSWORD not in refused.content.decode()


def test_two_equal_passwords_do_not_look_equal_in_the_database(keys: Path, administrator: Client) -> None:
    for name in ("one", "two"):
        administrator.post(reverse("credential_new"), {"name": name, "username": "root", "way": "password", "password": PASSWORD})
    one, two = Credential.objects.all()
    assert one.secret != two.secret


def test_a_new_secret_counts_for_all_hosts_at_once(administrator: Client, key: Credential, machine: Machine) -> None:
    machine.authorized.write_text(key.public + "\n")
    for number in (1, 2):
        known(machine, key, f"h{number}", address=f"127.0.0.{number}")
    tasks.read_due()
    assert set(Host.objects.values_list("contact", flat=True)) == {Contact.OK}
    administrator.post(reverse("credential_rotate", args=[key.pk]), {"way": "make"})
    Host.objects.update(next_read_at=key.created_at)
    tasks.read_due()
    assert set(Host.objects.values_list("contact", flat=True)) == {Contact.REFUSED}
    key.refresh_from_db()
    machine.authorized.write_text(key.public + "\n")
    Host.objects.update(next_read_at=key.created_at)
    tasks.read_due()
    assert set(Host.objects.values_list("contact", flat=True)) == {Contact.OK}
    assert AuditEntry.objects.filter(action="credential.rotate").count() == 1


def test_a_used_credential_is_not_removed(administrator: Client, credential: Credential) -> None:
    host = Host.objects.create(name="xen1", address="10.0.0.1", credential=credential)
    page = administrator.post(reverse("credential_remove", args=[credential.pk]), follow=True).content.decode()
    assert "opens 1 host" in page
    assert Credential.objects.exists()
    host.delete()
    administrator.post(reverse("credential_remove", args=[credential.pk]))
    assert not Credential.objects.exists()


def test_a_credential_of_a_lost_key_file_says_so(administrator: Client, key: Credential, keys: Path, machine: Machine) -> None:
    host = known(machine, key)
    Credential.objects.update(secret=key.secret[:-8] + "AAAAAAA=")
    tasks.read_due()
    host.refresh_from_db()
    assert host.contact == Contact.REFUSED
    assert "cannot be decrypted" in host.contact_message


def test_nobody_else_sees_credentials(logged_in: Callable[..., Client], credential: Credential) -> None:
    page = logged_in("operator").get(reverse("host_new")).content.decode()
    assert "root key" in page and credential.secret not in page
    assert logged_in("operator").get(credential.get_absolute_url()).status_code == 403


def test_a_secret_moved_to_another_row_does_not_open(administrator: Client, key: Credential, machine: Machine) -> None:
    """Somebody with the database alone cannot make one credential out of another."""
    machine.authorized.write_text(key.public + "\n")
    administrator.post(reverse("credential_new"), {"name": "other", "username": key.username, "way": "password", "password": PASSWORD})
    other = Credential.objects.get(name="other")
    host = known(machine, other)
    Credential.objects.filter(pk=other.pk).update(secret=key.secret, kind=key.kind)
    tasks.read_due()
    host.refresh_from_db()
    assert host.contact == Contact.REFUSED and "swapped" in host.contact_message
    assert "userauth-request" not in machine.log()


def test_without_a_key_file_nothing_is_stored_and_it_is_said(administrator: Client, settings: object, tmp_path: Path) -> None:
    settings.KEY_FILE = tmp_path / "gone"  # type: ignore[attr-defined]
    answer = administrator.post(reverse("credential_new"), {"name": "p", "username": "root", "way": "password", "password": PASSWORD})
    assert answer.status_code == 422
    assert "make_key" in answer.content.decode() and PASSWORD not in answer.content.decode()
    assert not Credential.objects.exists()


def test_a_forgotten_passphrase_is_asked_for_at_its_field(keys: Path, administrator: Client, tmp_path: Path) -> None:
    new = {"name": "p", "username": "root", "way": "paste", "private_key": new_key(tmp_path, passphrase="right one")}
    answer = administrator.post(reverse("credential_new"), new)
    assert answer.status_code == 422
    assert "has a passphrase" in answer.context["secret"].errors["passphrase"][0]


def test_keys_are_rotated_while_everything_goes_on(administrator: Client, key: Credential, keys: Path, machine: Machine) -> None:
    machine.authorized.write_text(key.public + "\n")
    host = known(machine, key)
    before = Credential.objects.get().secret
    call_command("rotate_keys")
    assert Credential.objects.get().secret != before
    assert len(keys.read_text().split()) == 2
    call_command("rotate_keys", "--forget-old")
    assert len(keys.read_text().split()) == 1
    tasks.read_due()
    host.refresh_from_db()
    assert host.contact == Contact.OK
    assert [entry.subject for entry in AuditEntry.objects.filter(action="keys.rotate", alarming=True)] == ["1 secrets"] * 2


def test_a_rotation_that_cannot_open_a_secret_changes_nothing(key: Credential, keys: Path) -> None:
    Credential.objects.create(name="lost", kind=Credential.Kind.PASSWORD, username="root", secret="no token")
    with pytest.raises(CommandError, match=r"lost: .*cannot be decrypted"):
        call_command("rotate_keys", "--forget-old")
    assert Credential.objects.get(name="portal key").secret == key.secret
    assert len(keys.read_text().split()) == 2


def test_a_key_file_is_made_once(settings: object, tmp_path: Path) -> None:
    settings.KEY_FILE = tmp_path / "state" / "keys"  # type: ignore[attr-defined]
    call_command("make_key")
    before = (tmp_path / "state" / "keys").read_text()
    with pytest.raises(CommandError, match="exists already"):
        call_command("make_key")
    assert (tmp_path / "state" / "keys").read_text() == before


def test_the_line_for_authorized_keys_opens_a_host_for_commands_only(administrator: Client, key: Credential, machine: Machine) -> None:
    page = administrator.get(key.get_absolute_url()).content.decode()
    assert escape(key.authorized_line) in page and escape(key.install_command) in page
    home = machine.folder / "home"
    home.mkdir()
    subprocess.run(["sh", "-c", key.install_command], check=True, env={"HOME": str(home), "PATH": os.environ["PATH"]})
    installed = home / ".ssh" / "authorized_keys"
    assert installed.read_text() == key.authorized_line + "\n"
    assert (installed.stat().st_mode & 0o777, installed.parent.stat().st_mode & 0o777) == (0o600, 0o700)
    machine.authorized.write_text(installed.read_text())
    host = known(machine, key)
    tasks.read_due()
    host.refresh_from_db()
    assert host.contact == Contact.OK, host.contact_message
    assert "no-pty" in key.authorized_line and "no-port-forwarding" in key.authorized_line
