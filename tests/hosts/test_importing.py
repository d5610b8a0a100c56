"""A list of hosts from a spreadsheet: judged line by line, shown, and only then written."""

from __future__ import annotations

import base64
import csv
import io
import struct
from collections.abc import Callable

import pytest
from django.contrib.auth.models import User
from django.core.files.uploadedfile import SimpleUploadedFile
from django.test import Client
from django.urls import reverse

from hosts import importing
from hosts.models import Cloud, Credential, Host, HostImport, HostKey, Pool
from opsportal.operations.errors import Refused
from opsportal.operations.models import AuditEntry

pytestmark = pytest.mark.django_db
BLOB = base64.b64encode(struct.pack(">I", 11) + b"ssh-ed25519" + struct.pack(">I", 32) + bytes(range(32))).decode()
KEY = f"ssh-ed25519 {BLOB}"


def errors(text: str) -> dict[int, dict[str, str]]:
    return {row.line: row.errors for row in importing.judge(text).bad}


def upload(client: Client, text: str | bytes, name: str = "hosts.csv") -> str:
    data = text.encode() if isinstance(text, str) else text
    answer = client.post(reverse("hosts_import"), {"file": SimpleUploadedFile(name, data)})
    assert answer.status_code == 302, answer.content.decode()
    return str(answer.headers["Location"])


def test_good_lines_with_all_columns(person: Callable[..., User], credential: Credential) -> None:
    text = (
        "name,address,port,username,kind,cloud,pool,role,credential,tags,legacy,host_key,notes\n"
        f'xen1,10.0.0.1,22,root,xenserver,Amsterdam,pool-1,master,ROOT KEY,rack-4 prod,yes,{KEY},"two\nlines"\n'
        "build1,build.example.org,2222,,build,,,,,,no,,\n"
    )
    assert importing.carry_out(text, person("ann", "operator")) == 2
    xen = Host.objects.get(name="xen1")
    assert (xen.cloud, xen.pool, xen.credential) == (Cloud.objects.get(), Pool.objects.get(), credential)
    assert (xen.tag_list, xen.legacy, xen.notes, xen.kind) == (["prod", "rack-4"], True, "two\nlines", "xenserver")
    assert HostKey.objects.get(host=xen).fingerprint.startswith("SHA256:")
    assert Host.objects.get(name="build1").place == "build.example.org:2222"
    assert Pool.objects.get().kind == "xenserver"
    assert AuditEntry.objects.get(action="hosts.import").detail["hosts"] == ["xen1", "build1"]


def test_errors_stand_at_their_line_and_column() -> None:
    found = errors(
        "name,address,port,kind,cloud,pool,credential,host_key\n"
        "good,10.0.0.1,,,,,,\n"
        "-bad,10.0.0.1,,,,,,\n"
        "x,10.0.0.300,,,,,,\n"
        "y,10.0.0.2,99999,,,,,\n"
        "z,10.0.0.3,٢٢,,,,,\n"
        "k,10.0.0.4,,vmware,,,,\n"
        "p,10.0.0.5,,,,pool,,\n"
        "c,10.0.0.6,,,,,no such,\n"
        "h,10.0.0.7,,,,,,ssh-ed25519 AAAABBBBCCCCDDDDEEEEFFFF\n"
        ",10.0.0.8,,,,,,\n"
    )
    assert {line: list(fields) for line, fields in found.items()} == {
        3: ["name"], 4: ["address"], 5: ["port"], 6: ["port"], 7: ["kind"], 8: ["pool"], 9: ["credential"], 10: ["host_key"], 11: ["name"],
    }  # fmt: skip


@pytest.mark.parametrize(
    "hostile",
    [
        "=cmd|' /C calc'!A0",
        "@SUM(1)",
        "<script>alert(1)</script>",
        "xen1; rm -rf /",
        "$(id)",
        "a\x1b[31m",
        "a\u202ecod",
        "xen\u200b1",
        "a" * 5000,
    ],
)
def test_hostile_names_are_refused_and_nothing_is_written(hostile: str, person: Callable[..., User]) -> None:
    out = io.StringIO()
    csv.writer(out).writerows([["name", "address"], [hostile, "10.0.0.1"], ["good", "10.0.0.2"]])
    with pytest.raises(Refused, match="Nothing was imported"):
        importing.carry_out(out.getvalue(), person("ann", "operator"))
    assert not Host.objects.exists()


def test_duplicates_are_marked_and_left_out(person: Callable[..., User]) -> None:
    Host.objects.create(name="xen1", address="10.0.0.1")
    text = "name,address\nXEN1,10.9.9.9\nother,10.0.0.1\nnew,10.0.0.2\nagain,10.0.0.2\n"
    sheet = importing.judge(text)
    assert [(row.line, row.twin) for row in sheet.twins] == [
        (2, "the host xen1 in the inventory"),
        (3, "the host xen1 in the inventory"),
        (5, "line 4 of this file"),
    ]
    assert importing.carry_out(text, person("ann", "operator")) == 1
    assert sorted(Host.objects.values_list("name", flat=True)) == ["new", "xen1"]


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("", "first line must name the columns"),
        ("10.0.0.1\n10.0.0.2\n", "name and address is missing"),
        ("name,address,password\nx,10.0.0.1,secret\n", "Unknown column: password"),
        ("name,address,name\nx,10.0.0.1,y\n", "named twice"),
        ("name,address\n\n\n", "no hosts under it"),
        ('name,address\n"x,10.0.0.1\n', "unexpected end of data"),
    ],
)
def test_what_is_no_list_of_hosts(text: str, said: str) -> None:
    assert said in importing.judge(text).problem


def test_semicolons_byte_order_mark_and_capital_headings() -> None:
    sheet = importing.judge(importing.decode(b"\xef\xbb\xbfName;Address;Notes\r\nxen1;10.0.0.1;a, b\r\n"))
    assert [row.cells for row in sheet.good] == [{"name": "xen1", "address": "10.0.0.1", "notes": "a, b"}]


@pytest.mark.parametrize(
    "data", [b"\xff\xfen\x00a\x00", b"name,address\nx\x00,10.0.0.1\n", b"PK\x03\x04\x14\x00\xff\x9c", b"x" * (importing.MAX_BYTES + 1)]
)
def test_files_that_are_no_text(data: bytes, operator: Client) -> None:
    answer = operator.post(reverse("hosts_import"), {"file": SimpleUploadedFile("hosts.csv", data)})
    assert answer.status_code == 422
    assert not HostImport.objects.exists()


def test_upload_preview_confirm_in_the_browser(operator: Client) -> None:
    preview = upload(operator, "name,address\nxen1,10.0.0.1\nxen2,10.0.0.2\n")
    page = operator.get(preview).content.decode()
    assert "xen1" in page and "Import 2 hosts" in page
    assert not Host.objects.exists()
    operator.post(preview + "confirm/")
    assert Host.objects.count() == 2
    assert operator.post(preview + "confirm/").status_code == 404
    assert Host.objects.count() == 2


def test_a_preview_with_errors_offers_no_import_and_refuses_one(operator: Client) -> None:
    preview = upload(operator, "name,address\nxen1,10.0.0.1\n<b>x</b>,10.0.0.2\n")
    page = operator.get(preview).content.decode()
    assert "&lt;b&gt;x&lt;/b&gt;" in page and "<b>x</b>" not in page
    assert "confirm/" not in page
    operator.post(preview + "confirm/")
    assert not Host.objects.exists()


def test_a_preview_is_its_owners(operator: Client, logged_in: Callable[..., Client]) -> None:
    preview = upload(operator, "name,address\nxen1,10.0.0.1\n")
    other = logged_in("operator", "approver")
    assert other.get(preview).status_code == 404
    assert other.post(preview + "confirm/").status_code == 404


def test_what_goes_out_comes_in_again(operator: Client, person: Callable[..., User]) -> None:
    text = f'name,address,tags,host_key,notes\nxen1,10.0.0.1,a b,{KEY},"=HYPERLINK(""http://x"")"\nxen2,fd00::2,,,-1\n'
    importing.carry_out(text, person("ann", "operator"))
    out = operator.get(reverse("hosts_export")).content.decode()
    for line in csv.reader(io.StringIO(out)):
        assert not any(cell.startswith(("=", "+", "-", "@", "\t", "\r")) for cell in line)
    Host.objects.all().delete()
    importing.carry_out(out, User.objects.get(username="ann"))
    assert list(Host.objects.values_list("name", "address", "tags", "notes")) == [
        ("xen1", "10.0.0.1", " a b ", '=HYPERLINK("http://x")'),
        ("xen2", "fd00::2", "", "-1"),
    ]
    assert HostKey.objects.get().base64 == BLOB


def test_the_export_carries_no_secret(operator: Client, credential: Credential) -> None:
    Host.objects.create(name="xen1", address="10.0.0.1", credential=credential)
    out = operator.get(reverse("hosts_export")).content.decode()
    assert "root key" in out
    assert credential.secret not in out


def test_the_preview_shows_every_column_and_allowing_sha1_is_alarming(operator: Client, credential: Credential) -> None:
    text = (
        "name,address,username,role,credential,legacy,notes\n"
        "xen1,10.0.0.1,root,pool master,root key,yes,old dom0 in the corner\n"
        "kvm1,10.0.0.2,ops,,root key,no,\n"
    )
    url = upload(operator, text)
    page = operator.get(url).content.decode()
    for shown in ("pool master", "root key", "as ops", "old dom0 in the corner", ">legacy<"):
        assert shown in page
    operator.post(f"{url}confirm/")
    entry = AuditEntry.objects.get(action="hosts.import")
    assert entry.alarming and entry.detail["legacy"] == ["xen1"]
