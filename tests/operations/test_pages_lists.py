"""The lists: filters that can be shared, the same queries for ten rows and a thousand, and what stands on record."""

from __future__ import annotations

import csv
import io
import secrets
from collections.abc import Callable
from datetime import timedelta
from pathlib import Path

import pytest
from django.contrib.auth.models import User
from django.core.management import CommandError, call_command
from django.db import connection
from django.test import Client
from django.test.utils import CaptureQueriesContext
from django.urls import reverse
from django.utils import timezone

from opsportal.operations import audit
from opsportal.operations.models import AuditEntry, Operation
from opsportal.operations.states import OperationState as S
from tests.operations.pages import HTMX, start, text

pytestmark = [pytest.mark.django_db, pytest.mark.usefixtures("books")]

LISTS = ["operations", "home", "approvals", "restorations"]


@pytest.fixture
def olga(person: Callable[..., User]) -> User:
    return person("olga", "operator")


def many(user: User, number: int, **fields: object) -> list[Operation]:
    """Operations as a year leaves them; the last one is the newest."""
    common = {"runbook": "tests.ledger", "title": "Write a ledger", "state": S.SUCCEEDED, "requester": user, "plan": "x" * 4000}
    made = [Operation(**{"token": secrets.token_hex(8), "subject": f"subject {index}", **common, **fields}) for index in range(number)]
    return Operation.objects.bulk_create(made)


def queries(client: Client, url: str) -> int:
    client.get(url)
    with CaptureQueriesContext(
        connection,
    ) as caught:
        assert client.get(url).status_code == 200
    return len(caught)


@pytest.mark.parametrize("name", LISTS)
def test_more_rows_do_not_make_more_queries(name: str, administrator: Client, logged_in: Callable[..., Client], olga: User) -> None:
    client = logged_in("approver", "operator", "administrator")
    for state in (S.SUCCEEDED, S.RUNNING, S.FAILED, S.AWAITING_APPROVAL, S.DRAFT):
        many(olga, 10, state=state, started_at=timezone.now())
    few = queries(client, reverse(name))
    for state in (S.SUCCEEDED, S.RUNNING, S.FAILED, S.AWAITING_APPROVAL, S.DRAFT):
        many(olga, 200, state=state, started_at=timezone.now())
    assert queries(client, reverse(name)) == few


def test_the_list_of_operations_needs_six_queries_at_any_page(viewer: Client, olga: User) -> None:
    made = many(olga, 1000)
    for query in ("", f"?before={made[500].pk}", f"?after={made[500].pk}", "?state=open", "?q=7&runbook=tests.ledger"):
        assert queries(viewer, reverse("operations") + query) <= 6, query


def rows(client: Client, query: str = "") -> list[str]:
    """Subjects in the order of the page."""
    page = client.get(f"{reverse('operations')}{query}")
    return [row.subject for row in page.context["found"].rows]


class TestOperations:
    def test_walks_to_the_end_and_back(self, viewer: Client, olga: User) -> None:
        many(olga, 120)
        first = viewer.get(reverse("operations")).context["found"]
        assert [row.subject for row in first.rows][:2] == ["subject 119", "subject 118"] and first.newer is None
        second = viewer.get(reverse("operations"), {"before": first.older}).context["found"]
        last = viewer.get(reverse("operations"), {"before": second.older}).context["found"]
        assert (len(last.rows), last.rows[-1].subject, last.older) == (20, "subject 0", None)
        back = viewer.get(reverse("operations"), {"after": last.newer}).context["found"]
        assert [row.pk for row in back.rows] == [row.pk for row in second.rows]

    def test_narrows_by_everything(self, viewer: Client, olga: User, person: Callable[..., User]) -> None:
        many(olga, 1, subject="4.8.0.16 from 4.8", state=S.FAILED, locks=["host:3"])
        many(person("paul", "operator"), 1, subject="xen2", state=S.RUNNING, runbook="tests.dangerous", title="Change master")
        many(olga, 1, subject="my draft", state=S.DRAFT)
        many(olga, 1, subject="thrown away", state=S.DISCARDED)
        assert rows(viewer) == ["xen2", "4.8.0.16 from 4.8"]
        assert rows(viewer, "?state=draft") == ["my draft"]
        for query in ("?q=4.8.0", "?state=failed", "?state=ended", "?who=Olga", "?on=host:3", "?runbook=tests.ledger"):
            assert rows(viewer, query) == ["4.8.0.16 from 4.8"], query
        for query in ("?q=master", "?state=open", "?who=paul"):
            assert rows(viewer, query) == ["xen2"], query
        assert rows(viewer, "?who=nobody") == rows(viewer, "?q=%23999999") == []
        number = Operation.objects.get(subject="xen2").pk
        assert rows(viewer, f"?q=%23{number}") == ["xen2"]

    def test_narrows_by_day(self, viewer: Client, olga: User) -> None:
        for index, operation in enumerate(many(olga, 3)):
            Operation.objects.filter(pk=operation.pk).update(created_at=timezone.now() - timedelta(days=10 - index * 5))

        def day(back: int) -> str:
            return (timezone.now() - timedelta(days=back)).date().isoformat()

        assert rows(viewer, f"?since={day(6)}") == ["subject 2", "subject 1"]
        assert rows(viewer, f"?until={day(5)}") == ["subject 1", "subject 0"]
        assert rows(viewer, f"?since={day(7)}&until={day(3)}") == ["subject 1"]
        assert rows(viewer, f"?until={day(30)}") == rows(viewer, "?since=2999-01-01") == []

    @pytest.mark.parametrize("query", ["?before=x", "?after=-1", "?since=yesterday", "?state=odd", "?q=%00", "?before=" + "9" * 40])
    def test_nonsense_counts_as_not_given(self, query: str, viewer: Client, olga: User) -> None:
        many(olga, 1)
        assert rows(viewer, query) == ["subject 0"]

    def test_asks_again_only_while_something_moves(self, viewer: Client, olga: User) -> None:
        many(olga, 1)
        assert "every 5s" not in viewer.get(reverse("operations")).content.decode()
        many(olga, 1, state=S.RUNNING)
        part = viewer.get(reverse("operations"), headers=HTMX).content.decode()
        assert "every 5s" in part and "<html" not in part

    def test_empty_pages_teach_the_first_step(self, viewer: Client, operator: Client) -> None:
        assert "Nothing has been done yet" in text(viewer.get(reverse("operations")))
        assert reverse("runbooks") in operator.get(reverse("operations")).content.decode()
        assert "No operation matches" in text(viewer.get(reverse("operations") + "?q=x"))
        assert "All is quiet" in text(viewer.get(reverse("home")))

    def test_hostile_text_is_text(self, viewer: Client, olga: User) -> None:
        evil = "<img src=x onerror=alert(1)>"
        many(olga, 1, subject=evil, title=evil, state=S.FAILED, waiting_for=evil, ended_at=timezone.now())
        for url in (reverse("operations"), reverse("home"), f"{reverse('operations')}?q={evil}", f"{reverse('operations')}?who={evil}"):
            assert "<img" not in viewer.get(url).content.decode()


def test_home_puts_first_what_waits(logged_in: Callable[..., Client], olga: User, operator: Client) -> None:
    many(olga, 1, state=S.AWAITING_APPROVAL, submitted_at=timezone.now(), subject="to approve")
    many(olga, 1, state=S.UNKNOWN, subject="who knows")
    many(olga, 1, state=S.FAILED, subject="went wrong", ended_at=timezone.now())
    many(olga, 1, state=S.FAILED, subject="long ago", ended_at=timezone.now() - timedelta(days=2))
    start(operator)
    page = text(logged_in("approver").get(reverse("home")))
    assert page.index("to approve") < page.index("who knows") < page.index("went wrong")
    assert "long ago" not in page and "Your drafts" not in page
    assert "Your drafts 1" in text(operator.get(reverse("home")))


def test_the_rulebook_says_every_rule_its_reason_and_its_runbooks(viewer: Client) -> None:
    page = viewer.get(reverse("rulebook"))
    assert 'id="ledger.word"' in page.content.decode()
    assert "Bad words end badly. Source: The tests." in text(page)
    assert "Write a ledger, Write a dangerous ledger" in text(page)
    assert "No rule matches" in text(viewer.get(reverse("rulebook"), {"q": "elephant"}))
    assert "Bad words" in text(viewer.get(reverse("rulebook"), {"q": "BADLY tests"}))


class TestAudit:
    @pytest.fixture(autouse=True)
    def entries(self, olga: User) -> None:
        audit.record(olga, "draft", subject="One")
        audit.record(olga, "submit", subject="=HYPERLINK(1)", detail={"reason": "<b>because</b>"}, alarming=True)

    def test_is_for_administrators(self, viewer: Client, operator: Client, approver: Client) -> None:
        for client in (viewer, operator, approver):
            for name in ("audit", "audit_export"):
                assert client.get(reverse(name)).status_code == 403
            assert client.post(reverse("audit_verify")).status_code == 403

    def test_lists_and_narrows(self, administrator: Client) -> None:
        page = administrator.get(reverse("audit"))
        assert "&lt;b&gt;because" in page.content.decode() and "Alarming" in text(page)
        for query in ("action=submit", "alarming=1", "q=because", "actor=olga&action=submit"):
            assert [row.action for row in administrator.get(f"{reverse('audit')}?{query}").context["found"].rows] == ["submit"], query
        assert not administrator.get(reverse("audit") + "?operation=17").context["found"].rows

    def test_more_entries_do_not_make_more_queries(self, administrator: Client, olga: User) -> None:
        few = queries(administrator, reverse("audit"))
        for number in range(60):
            audit.record(olga, "draft", subject=str(number))
        assert queries(administrator, reverse("audit")) == few <= 6

    def test_exports_what_no_spreadsheet_takes_for_a_formula(self, administrator: Client) -> None:
        answer = administrator.get(reverse("audit_export"), {"action": "submit"})
        body = b"".join(answer.streaming_content).decode()  # type: ignore[attr-defined]
        (line,) = list(csv.DictReader(io.StringIO(body)))
        assert line["subject"] == "'=HYPERLINK(1)" and line["alarming"] == "True"

    def test_verifies_part_by_part(self, administrator: Client, olga: User, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setattr("opsportal.operations.record_views.VERIFIED_AT_ONCE", 2)
        audit.record(olga, "cancel")
        url = reverse("audit_verify")
        assert "2 of 3 entries checked" in text(administrator.post(url, headers=HTMX))
        assert "All 3 entries are as they were written." in text(administrator.post(url, {"first": "3"}, headers=HTMX))
        assert "<html" in administrator.post(url).content.decode()

    def test_says_where_the_chain_is_broken(self, administrator: Client) -> None:
        AuditEntry.objects.filter(action="draft").update(subject="Two")
        assert "Entry 1 was changed after it was written." in text(administrator.post(reverse("audit_verify")))
        with pytest.raises(CommandError, match="2 entries, 1 places"):
            call_command("verify_audit", stderr=io.StringIO())

    def test_the_command_is_content_with_a_whole_chain(self) -> None:
        out = io.StringIO()
        call_command("verify_audit", stdout=out)
        assert out.getvalue() == "2 entries, every one as it was written.\n"


def test_who_has_no_role_sees_nothing(logged_in: Callable[..., Client], folder: Path) -> None:
    client = logged_in()
    for name in (*LISTS, "runbooks", "rulebook"):
        assert client.get(reverse(name)).status_code == 403, name
