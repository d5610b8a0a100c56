"""`manage.py rotate_keys`: a new first key, and every stored secret sealed with it."""

from __future__ import annotations

import getpass
from typing import Any

from django.conf import settings
from django.core.management.base import BaseCommand, CommandError, CommandParser
from django.utils.module_loading import import_string

from hosts.cloudstack import connecting
from opsportal.operations import audit
from opsportal.secrets import store


class Command(BaseCommand):
    help = "Puts a new key first into the key file and seals every stored secret with it. Running workers need no restart."

    def add_arguments(self, parser: CommandParser) -> None:
        parser.add_argument(
            "--forget-old",
            action="store_true",
            help="Also removes the old keys from the file. Secrets in older copies of the database can then not be read any more.",
        )

    def handle(self, *args: Any, **options: Any) -> None:
        """The file comes first: should this stop half-way, both keys are there and running it again finishes the work."""
        try:
            store.add_key(settings.KEY_FILE)
            number = sum(import_string(path)() for path in settings.SEALED)
            connecting.write_all()
            forgotten = store.keep_first_key(settings.KEY_FILE) if options["forget_old"] else 0
        except (store.KeyringError, OSError) as error:
            raise CommandError(str(error)) from error
        audit.record(_actor(), "keys.rotate", subject=f"{number} secrets", detail={"forgotten": forgotten}, alarming=True)
        self.stdout.write(f"{number} secrets are sealed with a new key, {forgotten} old keys were forgotten.")


def _actor() -> str:
    """Who sat at the console, as the operating system knows them."""
    return f"{getpass.getuser()} (console)"
