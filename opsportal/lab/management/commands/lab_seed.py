"""`manage.py lab_seed`: puts the practice source into the portal."""

from __future__ import annotations

from typing import Any

from django.core.exceptions import ValidationError
from django.core.management.base import BaseCommand, CommandError, CommandParser

from opsportal.lab.seed import seed


class Command(BaseCommand):
    help = "Register the practice source, served by the practice forge, as a source of releases. Running it again does no harm."

    def add_arguments(self, parser: CommandParser) -> None:
        parser.add_argument("--forge", required=True, metavar="URL", help="what lab_forge printed, such as http://127.0.0.1:8431")

    def handle(self, *args: Any, forge: str, **options: Any) -> None:
        try:
            source, made = seed(forge)
        except ValidationError as error:
            reasons = " ".join(dict.fromkeys(error.messages))
            raise CommandError(f"The practice source cannot be registered at {forge}: {reasons}") from None
        self.stdout.write(f"Source {source.name}: {'registered' if made else 'was there, its address is set'} ({source.url})")
