"""Verifies the hash chain of the audit trail."""

from __future__ import annotations

from typing import Any

from django.core.management.base import BaseCommand, CommandError

from opsportal.operations import audit
from opsportal.operations.models import AuditEntry


class Command(BaseCommand):
    help = "Says whether any entry of the audit trail was changed, removed or put in. Ends with 1 when one was."

    def handle(self, *_args: Any, **_options: Any) -> None:
        wrong = 0
        for sentence in audit.verify():
            wrong += 1
            self.stderr.write(sentence)
        number = AuditEntry.objects.count()
        if wrong:
            raise CommandError(f"{number} entries, {wrong} places where the chain does not hold.")
        self.stdout.write(f"{number} entries, every one as it was written.")
