from __future__ import annotations

from io import StringIO

import pytest
from django.core.management import CommandError, call_command

from releases.models import Source

FORGE = "http://127.0.0.1:8431"


def seed(forge: str) -> str:
    out = StringIO()
    call_command("lab_seed", forge=forge, stdout=out)
    return out.getvalue()


@pytest.fixture(autouse=True)
def allowed(settings: object) -> None:
    settings.GIT_HOSTS = [FORGE, "http://127.0.0.1:9000"]  # type: ignore[attr-defined]


def test_the_practice_source_is_registered(db: None) -> None:
    assert "registered" in seed(FORGE)
    source = Source.objects.get()
    assert (source.name, source.default_branch, source.pulls) == ("Practice", "4.8", Source.Pulls.PATCH)
    assert source.url == source.push_url == f"{FORGE}/practice.git"
    assert source.pulls_url == f"{FORGE}/pull"


def test_again_it_only_moves_the_address(db: None) -> None:
    seed(FORGE)
    Source.objects.update(name="practice", notes="Ours now", default_branch="main")
    assert "was there" in seed("http://127.0.0.1:9000/")
    source = Source.objects.get()
    assert (source.notes, source.default_branch) == ("Ours now", "main")
    assert source.url == "http://127.0.0.1:9000/practice.git"


def test_a_forge_that_is_not_allowed_is_refused_with_the_way_out(db: None) -> None:
    with pytest.raises(CommandError, match=r"192\.0\.2\.1.*OPSPORTAL_GIT_HOSTS"):
        seed("https://192.0.2.1")
    assert not Source.objects.exists()
