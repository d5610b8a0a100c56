"""What a plan pins, and files that travel by content."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest
from django.contrib.auth.models import Group, User

from opsportal.operations import approval, followers, planning, registry
from opsportal.operations.states import OperationState as S
from tests.operations.driving import draft, ledger, run, submitted
from tests.operations.pinning import Carrying, Following

pytestmark = pytest.mark.django_db(transaction=True)


@pytest.fixture(autouse=True)
def pinning_books(settings: object, tmp_path: Path) -> Iterator[None]:
    settings.RUNBOOKS = [f"tests.operations.pinning.{name}" for name in ("Following", "Carrying")]  # type: ignore[attr-defined]
    settings.STATE_DIR = tmp_path / "state"  # type: ignore[attr-defined]
    registry.runbooks.cache_clear()
    yield
    registry.runbooks.cache_clear()


@pytest.fixture
def olga() -> User:
    user = User.objects.create_user("olga")
    user.groups.add(Group.objects.get_or_create(name="operator")[0])
    return user


def test_a_run_uses_what_was_pinned_although_the_name_moved(olga: User, folder: Path) -> None:
    operation = submitted("tests.following", olga, folder=str(folder))
    assert operation.pk in Following.submitted_ids
    (folder / "state").write_text("moved\n")
    assert run(operation).state == S.SUCCEEDED, operation.outcome
    assert ledger(operation) == ["begun"]


def test_doing_it_again_uses_it_too_and_reading_again_does_not(olga: User, folder: Path) -> None:
    first = run(submitted("tests.following", olga, folder=str(folder)))
    (folder / "state").write_text("moved\n")
    again = followers.again(first, user=olga, token="again-0123456789")
    planning.work(again.pk)
    again.refresh_from_db()
    assert again.frozen().steps[0].action.command.argv[1] == "begun"  # type: ignore[union-attr]
    planning.replan(again)
    planning.work(again.pk)
    again.refresh_from_db()
    approval.submit(again, user=olga)
    assert run(again).state == S.SUCCEEDED, again.outcome
    assert ledger(again) == ["begun", "moved"]


def test_a_draft_goes_on_with_it(olga: User, folder: Path) -> None:
    operation = draft("tests.following", olga, folder=str(folder))
    (folder / "state").write_text("moved\n")
    planning.save_page(operation, "none", {"word": "other"}, user=olga)
    planning.work(operation.pk)
    operation.refresh_from_db()
    assert operation.frozen().steps[0].action.command.argv[1] == "begun"  # type: ignore[union-attr]


def test_a_stored_file_arrives_byte_by_byte_and_comes_back(olga: User, folder: Path, settings: object) -> None:
    operation = run(submitted("tests.carrying", olga, folder=str(folder), word="out/placed"))
    assert operation.state == S.SUCCEEDED, operation.outcome
    assert (folder / "out" / "placed").read_bytes() == Carrying.data
    assert (settings.STATE_DIR / "artefacts" / str(operation.pk) / "placed").read_bytes() == Carrying.data  # type: ignore[attr-defined]


@pytest.mark.parametrize("name", ["out/link", "state", "out/../state", "out/dir"])
def test_nothing_but_plain_files_below_the_folder_is_taken(olga: User, folder: Path, settings: object, name: str) -> None:
    (folder / "out" / "dir").mkdir(parents=True)
    (folder / "out" / "link").symlink_to(folder / "state")
    operation = run(submitted("tests.carrying", olga, folder=str(folder), word=name))
    assert operation.state == S.FAILED
    assert "is not a plain file below" in operation.outcome
    assert not list((settings.STATE_DIR / "artefacts" / str(operation.pk)).iterdir())  # type: ignore[attr-defined]
