"""System checks: what would make the portal unsafe or useless is said at the start."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from django.conf import settings
from django.core.checks import CheckMessage, Error, Tags, register
from django.core.exceptions import ImproperlyConfigured


@register(Tags.compatibility)
def runbooks(app_configs: Sequence[Any] | None, **_kwargs: Any) -> list[CheckMessage]:
    """Every runbook of `settings.RUNBOOKS` can be imported and says what it must."""
    from opsportal.operations import registry

    problems: list[CheckMessage] = []
    try:
        books = registry.runbooks()
    except ImportError as error:
        return [Error(f"A runbook cannot be imported: {error}", hint="See RUNBOOKS in settings.py.", id="opsportal.E001")]
    for name, book in books.items():
        fields = set(book.params.__dataclass_fields__)
        asked = {field for page in book.pages for field in page.form.base_fields}
        if extra := asked - fields:
            problems.append(Error(f"{name}: the forms ask for {sorted(extra)}, which its parameters do not have.", id="opsportal.E002"))
    return problems


@register(Tags.security, deploy=True)
def broker(app_configs: Sequence[Any] | None, **_kwargs: Any) -> list[CheckMessage]:
    """A worker needs a broker."""
    if not settings.REDIS_URL:
        return [Error("REDIS_URL is not set.", hint="redis://:password@host:6379/0 or unix:///path", id="opsportal.E003")]
    return []


@register(Tags.security, deploy=True)
def key_file(app_configs: Sequence[Any] | None, **_kwargs: Any) -> list[CheckMessage]:
    """The keys of stored credentials must exist and be readable by their owner alone."""
    path = settings.KEY_FILE
    if not path.exists():
        return [Error(f"{path} does not exist.", hint="Make it with `manage.py make_key`.", id="opsportal.E004")]
    if path.stat().st_mode & 0o077:
        raise ImproperlyConfigured(f"{path} can be read by others: chmod 600 {path}")
    return []
