"""System checks: what would make the portal unsafe or useless is said at the start."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any
from urllib.parse import urlparse

from django.conf import settings
from django.core.checks import CheckMessage, Error, Tags, Warning, register


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
    """A worker needs a broker, and does what it finds there."""
    if not settings.REDIS_URL:
        return [Error("REDIS_URL is not set.", hint="redis://:password@host:6379/0 or unix:///path", id="opsportal.E003")]
    parts = urlparse(settings.REDIS_URL)
    if parts.scheme != "unix" and not parts.password:
        hint = "Whoever reaches it can make workers act. Set requirepass, and REDIS_URL=redis://:password@host:6379/0"
        return [Warning("The Redis of REDIS_URL has no password.", hint=hint, id="opsportal.W001")]
    return []


@register(Tags.security, deploy=True)
def key_file(app_configs: Sequence[Any] | None, **_kwargs: Any) -> list[CheckMessage]:
    """The keys of stored credentials must exist and be readable by their owner alone."""
    path = settings.KEY_FILE
    if not path.exists():
        return [Error(f"{path} does not exist.", hint="Make it with `manage.py make_key`.", id="opsportal.E004")]
    if path.stat().st_mode & 0o077:
        return [Error(f"{path} can be read by others.", hint=f"chmod 600 {path}", id="opsportal.E005")]
    return []


@register(Tags.database, deploy=True)
def one_machine(app_configs: Sequence[Any] | None, **_kwargs: Any) -> list[CheckMessage]:
    """SQLite is a file: two machines with one broker and a file each would act on each other's numbers."""
    if settings.DATABASES["default"]["ENGINE"] != "django.db.backends.sqlite3":
        return []
    parts = urlparse(settings.REDIS_URL)
    if parts.scheme == "unix" or parts.hostname in ("localhost", "127.0.0.1", "::1"):
        hint = "Set DATABASE_URL to a PostgreSQL before a second machine joins."
        return [Warning("The database is SQLite: web and workers must run on this machine.", hint=hint, id="opsportal.W002")]
    hint = "A worker on another machine would take an operation's number and find another operation in its own file. Set DATABASE_URL."
    return [Error("The database is SQLite, but REDIS_URL names another machine.", hint=hint, id="opsportal.E006")]
