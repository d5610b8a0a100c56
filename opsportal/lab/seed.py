"""Registers the practice source in the portal."""

from __future__ import annotations

from opsportal.lab.practice_source import NAME
from releases.models import Source

SOURCE = "Practice"
NOTES = "A small Maven project with the release scripts of CloudStack. Nothing here can do harm: try every button."
BRANCH = "4.8"
"""Not the repository's own default, main: nearly all pull requests are made for 4.8."""


def addresses(forge: str) -> dict[str, str]:
    """`forge` is its address, such as http://127.0.0.1:8431."""
    base = forge.rstrip("/")
    return {"url": f"{base}/{NAME}", "pulls_url": f"{base}/pull", "push_url": f"{base}/{NAME}"}


def seed(forge: str) -> tuple[Source, bool]:
    """The source of that name, and whether it was made now. One that is there already only gets the forge's address.

    Raises ValidationError when the portal may not talk to the forge (OPSPORTAL_GIT_HOSTS).
    """
    found = Source.objects.filter(name__iexact=SOURCE).first()
    source = found or Source(name=SOURCE, default_branch=BRANCH, pulls=Source.Pulls.PATCH, notes=NOTES)
    for field, value in addresses(forge).items():
        setattr(source, field, value)
    source.full_clean(exclude=["created_by"])  # nobody: the lab did
    source.save()
    return source, found is None
