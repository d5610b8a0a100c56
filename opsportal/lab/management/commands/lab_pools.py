"""`manage.py lab_pools`: the practice cloud's hosts in the foreground, until it is interrupted."""

from __future__ import annotations

import logging
import os
from pathlib import Path
from typing import Any

from django.core.management.base import BaseCommand, CommandError, CommandParser

from opsportal.lab import control, participants
from opsportal.lab.inventory_seed import seed
from opsportal.lab.machines import daemon, sandbox
from opsportal.lab.machines.lab import Lab

SEATS = int(os.environ.get("OPSPORTAL_LAB_SEATS") or 0)
SPEED = float(os.environ.get("OPSPORTAL_LAB_SPEED") or 10)


class Command(BaseCommand):
    help = "Run the simulated XenServer hosts of the practice cloud on this machine's loopback addresses."
    requires_system_checks = []

    def add_arguments(self, parser: CommandParser) -> None:
        parser.add_argument("--seats", type=int, default=SEATS, help="how many practice clouds; as many as last time unless said")
        parser.add_argument("--speed", type=float, default=SPEED, help="how much faster than a real clock theirs runs")
        parser.add_argument("--port", type=int, default=0, help="where each host answers SSH, on 127.77.SEAT.HOST; 0 takes a free port")
        parser.add_argument("--folder", type=Path, default=None, help="where the hosts' disks are or will be")
        parser.add_argument(
            "--listen",
            default="",
            metavar="ADDRESS",
            help="one address for all hosts, each with a port of its own from --port on. Whoever reaches it can try to log in as root",
        )
        parser.add_argument("--seed", action="store_true", help="only put the hosts into the inventory and end; they need not run for it")

    def handle(self, *args: Any, seats: int, speed: float, port: int, folder: Path | None, listen: str, **options: Any) -> None:
        logging.basicConfig(level=logging.INFO, format="%(asctime)s %(levelname)s %(message)s")
        place = folder or control.folder()
        try:
            with daemon.held(place):
                lab = daemon.make(place, seats, speed, port, listen)
                if options["seed"]:
                    self._seed(lab, place.parent / "participants.txt" if seats else None)
                else:
                    daemon.serve(lab, lambda: self._tell(lab))
        except daemon.AlreadyRunning as error:
            raise CommandError(str(error)) from None
        except OSError as error:
            raise CommandError(f"Port {port} cannot be used for the practice hosts: {error.strerror or error}.") from None

    def _seed(self, lab: Lab, logins: Path | None) -> None:
        """Into the inventory. For a workshop also its participants, whose passwords go into the file `logins`."""
        seed(lab)
        try:
            sandbox.check()
        except sandbox.NoSandbox as error:
            lab.problem = str(error)
        self._tell(lab)
        if logins and participants.make(lab.seats, logins):
            self.stdout.write(f"names and passwords of the participants: {logins}")

    def _tell(self, lab: Lab) -> None:
        hosts = [machine for seat in lab.seats.values() for machine in seat.machines.values()]
        first = hosts[0].place
        seats = "1 seat" if len(lab.seats) == 1 else f"{len(lab.seats)} seats"
        self.stdout.write(lab.problem or f"{len(hosts)} practice hosts for {seats}, the first at {first.address}:{first.port}")
        self.stdout.flush()
