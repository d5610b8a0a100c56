"""The wizard: nothing typed is lost, nothing is overwritten silently, and what is wrong is said at its field."""

from __future__ import annotations

from collections.abc import Callable
from datetime import timedelta
from pathlib import Path

import pytest
from django.test import Client
from django.urls import reverse
from django.utils import timezone

from opsportal.operations.models import Operation
from tests.operations.pages import HTMX, check, fill, page_url, planned, seen, start, submit, text, through

pytestmark = [pytest.mark.django_db(transaction=True), pytest.mark.usefixtures("books")]


def test_the_menu_says_what_each_runbook_is_for(viewer: Client) -> None:
    page = text(viewer.get(reverse("runbooks")))
    assert "Write a ledger" in page and "Appends lines to a file." in page
    assert "Dangerous" in page and "1 approval by somebody else" in page
    assert "Settle a restoration" not in page  # cannot be started by itself


def test_the_start_page_tells_everything_before_a_draft_is_made(viewer: Client, operator: Client) -> None:
    url = reverse("runbook_start", args=["tests.ledger"])
    page = text(viewer.get(url))
    assert "The ledger is longer." in page and "Starting it needs the role of operator." in page
    assert viewer.post(url, {"token": "t" * 32}).status_code == 403
    assert operator.post(url, {}).status_code == 302
    assert not Operation.objects.exists()


def test_a_double_click_makes_one_draft(operator: Client) -> None:
    url = reverse("runbook_start", args=["tests.ledger"])
    answers = [operator.post(url, {"token": "t" * 32}) for _ in range(2)]
    assert Operation.objects.count() == 1
    assert answers[0].headers["Location"] == answers[1].headers["Location"] == page_url(Operation.objects.get(), "where")


def test_a_token_of_somebody_else_makes_no_fault(operator: Client, logged_in: Callable[..., Client]) -> None:
    url = reverse("runbook_start", args=["tests.ledger"])
    operator.post(url, {"token": "t" * 32})
    answer = logged_in("operator", "viewer").post(url, {"token": "t" * 32}, follow=True)
    assert "Start from here again" in text(answer)
    assert Operation.objects.count() == 1


def test_an_address_fills_in_answers(operator: Client) -> None:
    query = "?word=b&scripts=ok&scripts=fail&token=stolen&nonsense=1"
    page = text(operator.get(reverse("runbook_start", args=["tests.ledger"]) + query))
    assert "Filled in already: Word b, Scripts ok, fail." in page, page
    operation = start(operator, query=query)
    assert operation.params == {"token": "fresh", "word": "b", "scripts": ["ok", "fail"]}
    assert operation.pages_done == []


def test_from_the_first_page_to_a_submitted_plan(operator: Client, folder: Path) -> None:
    operation = start(operator)
    answer = fill(operator, operation, "where", folder=str(folder), word="a")
    assert answer.headers["Location"] == page_url(operation, "what")
    answer = fill(operator, operation, "what", scripts='["ok"]')
    assert answer.headers["Location"] == reverse("operation_review", args=[operation.pk])
    assert "Reading the facts" in text(operator.get(answer.headers["Location"]))
    planned(operation)
    review = text(operator.get(answer.headers["Location"]))
    assert "Do ok-0" in review and "The test wants it." in review and str(folder) in review
    assert submit(operator, operation).headers["Location"] == operation.get_absolute_url()
    assert operation.state == "queued"


def test_what_is_typed_is_kept_while_typing(operator: Client) -> None:
    operation = start(operator)
    known = seen(operator.get(page_url(operation, "where")))
    said = check(operator, operation, "where", known, folder="", word="w")
    assert "field is required" not in said, "an empty field is not an error while somebody types"
    operation.refresh_from_db()
    assert (operation.params["word"], operation.pages_done) == ("w", [])
    assert 'value="w"' in operator.get(page_url(operation, "where")).content.decode()


def test_what_is_wrong_is_kept_as_typed_and_said_at_its_field(operator: Client, folder: Path) -> None:
    operation = start(operator)
    fill(operator, operation, "where", folder=str(folder))
    answer = fill(operator, operation, "what", scripts="not json")
    assert answer.status_code == 422 and "Enter a valid JSON" in text(answer)
    again = operator.get(page_url(operation, "what"))
    assert "not json" in text(again) and "Enter a valid JSON" in text(again)
    operation.refresh_from_db()
    assert operation.pages_done == ["where"] and "scripts" not in operation.params
    assert operator.get(reverse("operation_review", args=[operation.pk])).headers["Location"] == page_url(operation, "what")


def test_a_value_that_fits_the_form_but_not_the_parameter_is_an_error_at_the_field(operator: Client, folder: Path) -> None:
    operation = start(operator)
    fill(operator, operation, "where", folder=str(folder))
    answer = fill(operator, operation, "what", scripts='{"a": 1}')
    assert answer.status_code == 422 and "This does not fit" in text(answer)


def test_a_page_made_wrong_again_is_no_longer_done(operator: Client, folder: Path) -> None:
    operation = through(operator, folder, ["ok"])
    check(operator, operation, "what", seen(operator.get(page_url(operation, "what"))), scripts="[")
    operation.refresh_from_db()
    assert operation.pages_done == ["where"] and not operation.plan
    assert operation.params["scripts"] == ["ok"]


def test_back_keeps_what_is_typed_even_when_it_is_wrong(operator: Client, folder: Path) -> None:
    operation = start(operator)
    fill(operator, operation, "where", folder=str(folder))
    answer = fill(operator, operation, "what", scripts="half [", to="where")
    assert answer.headers["Location"] == page_url(operation, "where")
    assert "half [" in text(operator.get(page_url(operation, "what")))


def test_done_stages_are_links(operator: Client, folder: Path) -> None:
    operation = start(operator)
    fill(operator, operation, "where", folder=str(folder))
    page = operator.get(page_url(operation, "what")).content.decode()
    assert f'<a href="{page_url(operation, "where")}">Where</a>' in page
    assert f'href="{reverse("operation_review", args=[operation.pk])}"' not in page


def test_the_page_waits_for_the_worker_and_names_a_slow_one(operator: Client) -> None:
    operation = start(operator)
    url = page_url(operation, "where")
    page = operator.get(url).content.decode()
    assert "Reading the facts" in page and f'hx-get="{url}?since=' in page
    since = int((timezone.now() - timedelta(seconds=25)).timestamp())
    slow = operator.get(f"{url}?since={since}", headers=HTMX).content.decode()
    assert "for 25 s" in slow and ("no worker" in slow or "could not hand this to a worker" in slow)
    planned(operation)
    done = operator.get(f"{url}?since={since}", headers=HTMX).content.decode()
    assert "Reading the facts" not in done and 'hx-get="' not in done.split('id="fields"')[0]


def test_findings_stand_at_their_field_and_the_rest_below(operator: Client, folder: Path) -> None:
    operation = start(operator)
    fill(operator, operation, "where", folder=str(folder), word="bad")
    planned(operation)
    where, what = (text(operator.get(page_url(operation, slug))) for slug in ("where", "what"))
    assert where.count("The word is bad.") == 2 and "Bad words end badly." in where and "Source: The tests." in where
    assert "What the rulebook says 1 block" in what and "The word is bad." in what


class TestTwoWindows:
    def test_the_second_is_told_what_differs_and_nothing_is_overwritten(self, operator: Client, folder: Path) -> None:
        operation = start(operator)
        first = second = seen(operator.get(page_url(operation, "where")))
        check(operator, operation, "where", first, folder=str(folder), word="one")
        said = check(operator, operation, "where", second, folder=str(folder), word="two")
        assert "changed in another window" in said and ">one<" in said and ">two<" in said
        operation.refresh_from_db()
        assert operation.params["word"] == "one"
        answer = operator.post(page_url(operation, "where"), {"folder": str(folder), "word": "two", "portal-seen": second})
        assert answer.status_code == 409 and 'value="two"' in answer.content.decode()

    def test_it_may_store_its_own_after_reading_that(self, operator: Client, folder: Path) -> None:
        operation = start(operator)
        second = seen(operator.get(page_url(operation, "where")))
        check(operator, operation, "where", second, folder=str(folder), word="one")
        data = {"folder": str(folder), "word": "two", "portal-seen": second, "portal-over": "1"}
        assert operator.post(page_url(operation, "where"), data).status_code == 302
        operation.refresh_from_db()
        assert operation.params["word"] == "two"

    def test_one_window_never_contradicts_itself(self, operator: Client, folder: Path) -> None:
        operation = start(operator)
        known = seen(operator.get(page_url(operation, "where")))
        said = check(operator, operation, "where", known, folder=str(folder), word="one")
        assert "another window" not in said
        # Sent again with what it knew before: the values are the stored ones.
        assert "another window" not in check(operator, operation, "where", known, folder=str(folder), word="one")


class TestWhoseDraft:
    def test_others_may_look_and_not_change(self, operator: Client, logged_in: Callable[..., Client], folder: Path) -> None:
        operation = start(operator)
        fill(operator, operation, "where", folder=str(folder))
        other = logged_in("operator", "viewer")
        page = other.get(page_url(operation, "where"))
        assert "This draft belongs to operator" in text(page) and '<fieldset class="bare" disabled>' in page.content.decode()
        assert "hx-post" not in page.content.decode().split('id="wizard"')[1]
        assert "belongs to operator" in check(other, operation, "where", folder="/elsewhere")
        other.post(page_url(operation, "where"), {"folder": "/elsewhere"})
        other.post(reverse("operation_discard", args=[operation.pk]))
        assert submit(other, operation).status_code in (302, 409, 422)
        operation.refresh_from_db()
        assert (operation.params["folder"], operation.state) == (str(folder), "draft")

    def test_a_viewer_may_not_post(self, operator: Client, viewer: Client) -> None:
        operation = start(operator)
        assert viewer.get(page_url(operation, "where")).status_code == 200
        for name in ("operation_discard", "operation_submit", "operation_replan"):
            assert viewer.post(reverse(name, args=[operation.pk])).status_code == 403
        assert viewer.post(page_url(operation, "where"), {}).status_code == 403

    def test_a_discarded_draft_is_gone_for_good(self, operator: Client) -> None:
        operation = start(operator)
        answer = operator.post(reverse("operation_discard", args=[operation.pk]), follow=True)
        assert "Nothing has run" in text(answer)
        operation.refresh_from_db()
        assert operation.state == "discarded"
        assert "Discarded" in text(operator.get(operation.get_absolute_url()))


def test_what_was_submitted_cannot_be_changed(operator: Client, folder: Path) -> None:
    operation = through(operator, folder, ["ok"])
    submit(operator, operation)
    assert operator.get(page_url(operation, "where")).headers["Location"] == operation.get_absolute_url()
    assert "no longer a draft" in check(operator, operation, "where", folder="/x")


def test_hostile_answers_are_text(operator: Client) -> None:
    operation = start(operator)
    evil = '"><script>alert(1)</script>'
    fill(operator, operation, "where", folder=f"/nowhere/{evil}", word=evil)
    fill(operator, operation, "what", scripts='["ok"]')
    planned(operation)
    for url in (page_url(operation, "where"), reverse("operation_review", args=[operation.pk]), reverse("home")):
        assert "<script>alert(1)" not in operator.get(url).content.decode()
