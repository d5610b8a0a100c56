"""Following a host's log: over real SSH, through rotations, dead workers and hostile text; what is offered, refused and said."""

from __future__ import annotations

import asyncio
import json
import subprocess
from collections.abc import Callable
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest
from django.contrib.auth.models import User
from django.http import StreamingHttpResponse
from django.test import AsyncClient, Client
from django.urls import reverse
from django.utils import timezone

from hosts import tasks
from hosts.models import Credential, Host, HostKey
from hosts.tails import asking, following, keeping, places, starting
from hosts.tails.models import LogList, Tail
from opsportal.operations.models import AuditEntry
from tests.hosts.inventory import WRONG, known
from tests.hosts.machine import Machine
from tests.operations.test_stream import parsed

pytestmark = pytest.mark.django_db


@pytest.fixture
def folder(tmp_path: Path, settings: Any) -> Path:
    """A folder of logs that the site has put on the list."""
    path = tmp_path / "logs"
    path.mkdir()
    settings.LOG_PLACES = [f"{path}/*.log"]
    return path


@pytest.fixture
def host(key: Credential, machine: Machine) -> Host:
    machine.authorized.write_text(key.public + "\n")
    return known(machine, key, "xen1")


@pytest.fixture
def log(folder: Path) -> Path:
    path = folder / "agent.log"
    path.write_text("one\ntwo\n")
    return path


def offered(operator: Client, host: Host) -> str:
    """The page after a worker looked."""
    operator.post(reverse("host_logs_look", args=[host.pk]))
    tasks.list_logs(host.pk)
    return operator.get(reverse("host_logs", args=[host.pk])).content.decode()


def begun(operator: Client, host: Host, log: Path | str) -> Tail:
    offered(operator, host)
    assert operator.post(reverse("host_logs_follow", args=[host.pk]), {"place": str(log)}).status_code == 302
    return look(Tail.objects.get())


def look(tail: Tail, times: int = 1) -> Tail:
    """As workers do, without waiting in between."""
    for _ in range(times):
        Tail.objects.filter(pk=tail.pk).update(next_at=timezone.now())
        following.look_at_due(lambda seconds: None)
    tail.refresh_from_db()
    return tail


def text(tail: Tail) -> str:
    return b"".join(keeping.raw(tail)).decode()


def append(path: Path, words: str) -> None:
    with path.open("a") as file:
        file.write(words)


def test_only_logs_that_exist_and_are_on_the_list_are_offered(operator: Client, host: Host, log: Path, folder: Path) -> None:
    (folder / "secrets.txt").write_text("x")
    (folder / "shadow.log").symlink_to("/etc/passwd")
    (folder / "space in name.log").write_text("x")
    page = offered(operator, host)
    assert "agent.log" in page and "CloudStack agent" in page
    assert "secrets.txt" not in page and "shadow.log" not in page and "space in" not in page
    for place in (str(folder / "secrets.txt"), str(folder / "shadow.log"), "/etc/passwd", "unit:nothing", f"{folder}/../x.log", ""):
        answer = operator.post(reverse("host_logs_follow", args=[host.pk]), {"place": place}, follow=True)
        assert "is not among the logs" in answer.content.decode()
    assert not Tail.objects.exists()


def test_what_is_written_comes_and_who_read_it_is_on_record(operator: Client, host: Host, log: Path) -> None:
    tail = begun(operator, host, log)
    append(log, "three\nhal")
    look(tail)
    append(log, "f\n")
    look(tail)
    assert text(tail) == "one\ntwo\nthree\nhalf\n"
    assert [line.text for line in keeping.lines(tail, 1, 2)] == ["two", "three"]
    entry = AuditEntry.objects.get(action="host.follow-log")
    assert (entry.actor, entry.subject) == ("operator", f"{log} of xen1")
    page = operator.get(tail.get_absolute_url()).content.decode()
    assert "Following" in page and "three" in page


def test_a_last_line_without_an_end_is_shown_when_it_stays(operator: Client, host: Host, log: Path) -> None:
    tail = begun(operator, host, log)
    append(log, "prompt> ")
    assert text(look(tail)) == "one\ntwo\n"
    assert text(look(tail)) == "one\ntwo\nprompt> \n"
    append(log, "and on\n")
    assert text(look(tail, 2)) == "one\ntwo\nprompt> \nand on\n"


def test_a_rotation_loses_nothing_and_is_said(operator: Client, host: Host, log: Path) -> None:
    tail = begun(operator, host, log)
    append(log, "last of the old\n")
    log.rename(log.with_suffix(".log.1"))
    log.write_text("first of the new\n")
    look(tail, 2)
    lines = text(tail).splitlines()
    assert lines[:3] == ["one", "two", "last of the old"] and lines[4:] == ["first of the new"]
    assert "The log was rotated" in lines[3]


def test_a_rotation_whose_old_file_is_compressed_is_said_to_have_a_hole(operator: Client, host: Host, log: Path) -> None:
    tail = begun(operator, host, log)
    append(log, "unseen\n")
    subprocess.run(["gzip", str(log)], check=True)
    (log.parent / "x").write_text("takes the inode, should it be free")
    log.write_text("first of the new\n")
    look(tail)
    assert "its last lines are not shown" in text(tail) and text(tail).endswith("first of the new\n")


def test_a_log_that_is_emptied_goes_on_from_its_beginning(operator: Client, host: Host, log: Path) -> None:
    tail = begun(operator, host, log)
    log.write_text("new\n")
    look(tail)
    assert "The log was emptied" in text(tail) and text(tail).endswith("new\n")


def test_a_missing_file_is_said_and_the_following_goes_on_when_it_is_back(operator: Client, host: Host, log: Path) -> None:
    tail = begun(operator, host, log)
    log.unlink()
    look(tail)
    assert not tail.over and "does not exist" in operator.get(tail.get_absolute_url()).content.decode()
    log.write_text("back\n")
    look(tail, 2)
    assert not tail.problem and text(tail).endswith("back\n")


def test_it_begins_near_the_end_at_a_whole_line(operator: Client, host: Host, log: Path) -> None:
    log.write_text("".join(f"line {number}\n" for number in range(50_000)))
    tail = begun(operator, host, log)
    lines = text(tail).splitlines()
    assert lines[-1] == "line 49999" and lines[0].startswith("line ") and tail.log_bytes <= asking.BEFORE


def test_a_flood_is_fetched_in_pieces_until_no_more_is_kept(operator: Client, host: Host, log: Path, settings: Any) -> None:
    settings.TAIL_CAP_BYTES = 1024**2
    tail = begun(operator, host, log)
    append(log, "x" * 99 + "\n" + ("y" * 99 + "\n") * 14_999)
    look(tail, 3)
    assert not tail.over and 3 * asking.PIECE - 200 < tail.log_bytes < 3 * asking.PIECE + 200
    look(tail, 2)
    assert tail.over and "1 MiB are stored" in tail.outcome and tail.log_bytes <= settings.TAIL_CAP_BYTES
    assert set(text(tail).splitlines()[3:]) == {"y" * 99}
    assert keeping.lines(tail, tail.log_lines - 1, 5)[0].text == "y" * 99


def test_a_worker_that_dies_in_a_look_loses_nothing_and_doubles_nothing(operator: Client, host: Host, log: Path) -> None:
    tail = begun(operator, host, log)
    append(log, "three\n")
    Tail.objects.update(next_at=timezone.now())
    (dead,) = following.claim()
    assert not following.claim()
    later = timezone.now() + following.CLAIMED_FOR
    Tail.objects.update(claimed_until=timezone.now() - timedelta(seconds=1))
    look(tail)
    assert text(tail) == "one\ntwo\nthree\n"
    with pytest.raises(keeping.NotOurs):  # the dead one wakes up late
        keeping.append(dead, b"three\n", next_at=later)
    assert text(tail) == "one\ntwo\nthree\n"


def test_without_a_viewer_it_ends_by_itself_and_so_it_does_after_an_hour(operator: Client, host: Host, log: Path) -> None:
    tail = begun(operator, host, log)
    Tail.objects.update(seen_at=timezone.now() - timedelta(minutes=4))
    assert "Nobody looked at it" in look(tail).outcome
    tail = begun_again(operator, host, log)
    Tail.objects.filter(pk=tail.pk).update(started_at=timezone.now() - timedelta(minutes=61))
    assert "followed for an hour" in look(tail).outcome
    Tail.objects.update(ended_at=timezone.now() - timedelta(hours=25))
    keeping.trim()
    assert not Tail.objects.exists()


def begun_again(operator: Client, host: Host, log: Path) -> Tail:
    operator.post(reverse("host_logs_follow", args=[host.pk]), {"place": str(log)})
    return look(Tail.objects.get(state=Tail.State.FOLLOWING))


def test_a_second_person_joins_and_both_are_on_record(operator: Client, logged_in: Callable[..., Client], host: Host, log: Path) -> None:
    tail = begun(operator, host, log)
    other = logged_in("operator", "approver")
    assert other.post(reverse("host_logs_follow", args=[host.pk]), {"place": str(log)}).headers["Location"] == tail.get_absolute_url()
    assert Tail.objects.count() == 1 and AuditEntry.objects.filter(action="host.follow-log").count() == 2
    other.post(reverse("tail_stop", args=[tail.pk]))
    tail.refresh_from_db()
    assert tail.outcome == "operator-approver stopped it."
    assert "operator-approver stopped it." in operator.get(tail.get_absolute_url()).content.decode()


def test_one_person_follows_a_few_logs_at_most(operator: Client, host: Host, folder: Path) -> None:
    for number in range(6):
        (folder / f"n{number}.log").write_text("x\n")
    offered(operator, host)
    for number in range(6):
        answer = operator.post(reverse("host_logs_follow", args=[host.pk]), {"place": f"{folder}/n{number}.log"}, follow=True)
    assert "You follow 5 logs already" in answer.content.decode() and Tail.objects.count() == 5


def test_a_changed_key_ends_it_and_says_so(operator: Client, host: Host, log: Path) -> None:
    tail = begun(operator, host, log)
    HostKey.objects.update(base64=WRONG)
    look(tail)
    assert tail.over and "not pinned" in tail.outcome
    page = offered(operator, host)
    assert "not pinned" in page and "Nothing was sent" in page


def test_a_host_that_goes_away_is_waited_for_and_taken_up_at_the_same_place(
    operator: Client, host: Host, log: Path, machine: Machine
) -> None:
    tail = begun(operator, host, log)
    machine.crash()
    append(log, "written meanwhile\n")
    look(tail)
    assert not tail.over and tail.problem
    page = operator.get(tail.get_absolute_url()).content.decode()
    assert "Nothing comes since" in page and "goes on from the same place" in page
    machine.start()
    look(tail)
    assert text(tail) == "one\ntwo\nwritten meanwhile\n" and not tail.problem
    machine.crash()
    look(tail)
    Tail.objects.update(problem_at=timezone.now() - timedelta(minutes=6))
    assert look(tail).over and "127.0.0.1" in tail.outcome


def test_a_file_that_may_not_be_read_says_what_would_help() -> None:
    host = Host(name="kvm1", username="ops", credential=Credential(name="ops", username="ops"))
    tail = Tail(host=host, place="/var/log/messages")
    piece, _ = asking.file_piece(b"== closed 0 0 0 /var/log/messages\n", {})
    found = following._judged(tail, host, piece)
    assert found.final and "ops may not read /var/log/messages on kvm1" in found.problem and "sudo" in found.problem
    assert following.as_root(Host(credential=Credential(username="ops", sudo=True)))
    assert not following.as_root(Host(credential=Credential(username="root", sudo=True)))


def test_a_log_that_became_a_link_to_something_else_is_not_shown(operator: Client, host: Host, log: Path, tmp_path: Path) -> None:
    tail = begun(operator, host, log)
    secret = tmp_path / "secret"
    secret.write_text("password\n")
    log.unlink()
    log.symlink_to(secret)
    look(tail)
    assert tail.over and "is a link to a place that is not on the list" in tail.outcome and "password" not in text(tail)


HOSTILE = "<script>alert(1)</script>\x1b[2J\u202e== first 1 0 4 /etc/passwd"


def test_hostile_text_is_text(operator: Client, host: Host, log: Path) -> None:
    log.write_text(f"{HOSTILE}\n\udcff\x00\n", errors="surrogateescape")
    tail = begun(operator, host, log)
    page = operator.get(tail.get_absolute_url()).content.decode()
    assert "<script>alert" not in page and "\u202e" not in page
    answer = operator.get(reverse("tail_raw", args=[tail.pk]))
    assert (
        answer.headers["Content-Disposition"] == 'attachment; filename="xen1-agent.log.txt"'
        and "sandbox" in answer.headers["Content-Security-Policy"]
    )
    lines = operator.get(reverse("tail_lines", args=[tail.pk]), {"first": 0, "count": 5}).json()
    assert lines["lines"] == [HOSTILE, "\ufffd\x00"] and lines["total"] == 2 and not lines["open"]


def test_the_whole_of_what_was_fetched_is_searched(operator: Client, host: Host, log: Path) -> None:
    log.write_text("".join(f"line {number} {'NEEDLE Ünder' if number % 1000 == 7 else ''}\n" for number in range(4000)))
    tail = begun(operator, host, log)
    url = reverse("tail_search", args=[tail.pk])
    assert operator.get(url, {"q": "needle"}).json() == operator.get(url, {"q": "üNDER"}).json()
    found = operator.get(url, {"q": "needle"}).json()
    assert found["lines"] == [7, 1007, 2007, 3007]
    assert found["cursor"] == ""
    assert operator.get(url, {"q": "needle", "case": "1"}).json()["lines"] == []
    assert operator.get(url, {"q": "x" * 1001}).status_code == 400


def test_a_browser_without_a_stream_or_without_script_keeps_it_alive(operator: Client, host: Host, log: Path) -> None:
    tail = begun(operator, host, log)
    for url, data in ((reverse("tail_lines", args=[tail.pk]), {"after": "1"}), (tail.get_absolute_url(), {})):
        Tail.objects.update(seen_at=timezone.now() - timedelta(minutes=2))
        answer = operator.get(url, data)
        tail.refresh_from_db()
        assert "two" in answer.content.decode() and timezone.now() - tail.seen_at < timedelta(seconds=20)
    answer = operator.get(reverse("tail_lines", args=[tail.pk]), {"after": "1"})
    assert answer.json()["log"]["lines"] == ["two"] and answer.json()["operation"]["state"] == "following"


@pytest.mark.django_db(transaction=True)
def test_the_stream_tells_what_is_stored_and_the_end(person: Callable[..., User], key: Credential) -> None:
    user = person("olga", "operator")
    host = Host.objects.create(name="xen9", address="10.0.0.9")
    tail = Tail.objects.create(host=host, place="/var/log/messages", person=user)
    keeping.append(tail, b"one\n")

    async def streamed() -> list[dict[str, Any]]:
        client = AsyncClient()
        await client.aforce_login(user)
        answer = await client.get(reverse("tail_events", args=[tail.pk]))
        assert isinstance(answer, StreamingHttpResponse)
        events: list[dict[str, Any]] = []
        async for data in answer:
            events += parsed(data)
            if len(events) == 2:
                await asyncio.to_thread(keeping.append, tail, b"two\n")
                await asyncio.to_thread(following.end, tail, "Over.")
            if events[-1]["event"] == "end":
                break
        return events

    events = asyncio.run(asyncio.wait_for(streamed(), 20))
    assert [line for event in events if event["event"] == "log" for line in event["data"]["lines"]] == ["one", "two"]
    assert events[-1]["data"] == {"state": "ended"}


def test_viewers_do_not_get_at_logs(logged_in: Callable[..., Client], operator: Client, host: Host, log: Path) -> None:
    tail, viewer = begun(operator, host, log), logged_in("viewer")
    for name in ("tail", "tail_lines", "tail_search", "tail_raw", "tail_events"):
        assert viewer.get(reverse(name, args=[tail.pk])).status_code == 403
    assert reverse("host_logs", args=[host.pk]) not in viewer.get(host.get_absolute_url()).content.decode()
    assert reverse("host_logs", args=[host.pk]) in operator.get(host.get_absolute_url()).content.decode()


ENTRIES = [
    {
        "__CURSOR": "s=1;i=1",
        "__REALTIME_TIMESTAMP": "1764030000000000",
        "SYSLOG_IDENTIFIER": "libvirtd",
        "_PID": "812",
        "MESSAGE": "started",
    },
    {"__CURSOR": "s=1;i=2", "__REALTIME_TIMESTAMP": "1764030001000000", "_COMM": "sh", "MESSAGE": "two\nlines"},
    {"__CURSOR": "s=1;i=3", "__REALTIME_TIMESTAMP": "odd", "MESSAGE": [104, 105, 255]},
    {"__CURSOR": "s=1;i=4", "__REALTIME_TIMESTAMP": "1764030002000000", "SYSLOG_IDENTIFIER": "x", "MESSAGE": None},
]


def test_journal_entries_become_lines_and_a_cut_answer_goes_on_behind_the_last_whole_one() -> None:
    whole = b"== journal 0 0 0 -\n" + b"".join(json.dumps(entry).encode() + b"\n" for entry in ENTRIES)
    piece = asking.journal_piece(whole, {})
    assert piece.text.splitlines() == [
        b"2025-11-25T00:20:00Z libvirtd[812]: started",
        b"2025-11-25T00:20:01Z sh: two",
        b"lines",
        b"? ?: hi\xff",
        b"2025-11-25T00:20:02Z x: (not shown by the journal)",
    ]
    assert piece.position == {"cursor": "s=1;i=4"}
    cut = asking.journal_piece(whole[:-20], {"cursor": "s=1;i=0"})
    assert cut.position == {"cursor": "s=1;i=3"} and cut.text.endswith(b"hi\xff\n")
    assert asking.journal_piece(b"", {}).trouble == "silent"


def test_a_unit_of_the_journal_is_followed_by_its_cursor(operator: Client, key: Credential, machine: Machine, tmp_path: Path) -> None:
    programs = tmp_path / "bin"
    programs.mkdir()
    fake = programs / "journalctl"
    entry = json.dumps(ENTRIES[0])
    fake.write_text(f'#!/bin/sh\necho "$@" >>{tmp_path}/asked\ncase "$*" in *--after-cursor*) ;; *) echo \'{entry}\' ;; esac\n')
    fake.chmod(0o755)
    machine.stop()
    machine.options = (f"SetEnv PATH={programs}:/usr/bin:/bin",)
    machine.start()
    machine.authorized.write_text(key.public + "\n")
    host = known(machine, key, "kvm1")
    LogList.objects.create(host=host, read_at=timezone.now(), found=[{"place": "unit:libvirtd", "readable": True}])
    operator.post(reverse("host_logs_follow", args=[host.pk]), {"place": "unit:libvirtd"})
    tail = look(Tail.objects.get(), 2)
    assert text(tail) == "2025-11-25T00:20:00Z libvirtd[812]: started\n"
    asked = (tmp_path / "asked").read_text().splitlines()
    assert "-u libvirtd -n 300" in asked[0] and "-u libvirtd --after-cursor s=1;i=1" in asked[1]


@pytest.mark.parametrize("shell", ["dash", "bash"])
def test_the_commands_are_plain_posix_shell(shell: str, log: Path, folder: Path) -> None:
    found = places.find(sudo=False)
    out = subprocess.run([shell, "-c", found.script, "sh", *found.argv], capture_output=True, text=True, check=True).stdout
    parsed_list = places.parse(out)
    assert parsed_list and str(log) in {one.place for one in parsed_list[0]}
    read = asking.read_file(str(log), {}, sudo=False)
    answer = subprocess.run([shell, "-c", read.script, "sh", *read.argv], capture_output=True, check=True).stdout
    assert asking.file_piece(answer, {})[0].text == b"one\ntwo\n"


@pytest.mark.parametrize(
    "line",
    ["file yes 5 5 /etc/shadow /etc/shadow", "file yes x 5 /var/log/messages /var/log/messages", "unit yes evil", "closed /a b", "file"],
)
def test_an_answer_that_offers_something_else_is_not_believed(line: str) -> None:
    assert places.parse(f"{line}\nend\n") == ([], [])
    assert places.parse(line) is None


def test_a_list_whose_message_was_lost_is_read_all_the_same(operator: Client, host: Host, log: Path) -> None:
    starting.offered(host)
    operator.post(reverse("host_logs_look", args=[host.pk]))
    assert "A worker looks" in operator.get(reverse("host_logs", args=[host.pk])).content.decode()
    LogList.objects.update(asked_at=timezone.now() - timedelta(seconds=30))
    tasks.follow_logs()
    assert "agent.log" in operator.get(reverse("host_logs", args=[host.pk])).content.decode()
