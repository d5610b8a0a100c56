"""`manage.py make_key`: the key file that encrypts stored secrets."""

from __future__ import annotations

from typing import Any

from django.conf import settings
from django.core.management.base import BaseCommand, CommandError

from opsportal.secrets.store import make_keyring


class Command(BaseCommand):
    help = "Makes the key file that encrypts stored secrets. What is there is never overwritten."

    def handle(self, *args: Any, **options: Any) -> None:
        try:
            make_keyring(settings.KEY_FILE)
        except FileExistsError:
            raise CommandError(f"{settings.KEY_FILE} exists already. `manage.py rotate_keys` adds a new key to it.") from None
        except OSError as error:
            raise CommandError(f"{settings.KEY_FILE} cannot be written: {error.strerror}.") from error
        self.stdout.write(f"{settings.KEY_FILE} is made. Keep a copy apart from the database: without it no stored secret can be read.")
