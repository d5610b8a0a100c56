"""`manage.py reconcile`: compares the commands on the targets with the records, after a backup was restored."""

from __future__ import annotations

from typing import Any

from django.core.management.base import BaseCommand, CommandError

from opsportal.operations import reconciling
from opsportal.transport.errors import TransportError


class Command(BaseCommand):
    help = (
        "Lists commands on the targets that no record explains, and goes on counting operations above them. "
        "Changes nothing on a target. Run it after restoring a backup, before web and workers start. Ends with 1 when it found any."
    )

    def handle(self, *args: Any, **options: Any) -> None:
        found: list[reconciling.Unknown] = []
        highest, silent = 0, []
        for target in reconciling.all_targets():
            try:
                numbers = reconciling.numbers(target)
                highest = max([highest, *numbers])
                found += reconciling.unknown(target, numbers)
            except TransportError as error:
                silent.append(target)
                self.stderr.write(f"{target} could not be asked: {error}")
        self.stdout.write(f"The next operation is #{reconciling.number_from(highest)} or higher.")
        for one in found:
            self.stdout.write(f"{one.target}: operation #{one.operation_id}, {one.key}: {one.state}, in no record")
        if found or silent:
            raise CommandError(
                f"{len(found)} commands in no record, {len(silent)} targets not asked. Look at these machines by hand first."
            )
        self.stdout.write("Every command on every target is in the records.")
