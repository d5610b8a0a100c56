"""`manage.py lab_forge`: the practice forge in the foreground, until it is interrupted."""

from __future__ import annotations

import argparse
import contextlib
import signal
from pathlib import Path
from typing import Any

from django.conf import settings
from django.core.management.base import BaseCommand, CommandError, CommandParser

from opsportal.lab import practice_source
from opsportal.lab.forge import Fault, Forge, parse_fault


def _fault(text: str) -> tuple[str, Fault]:
    try:
        return parse_fault(text)
    except ValueError as error:
        raise argparse.ArgumentTypeError(str(error)) from None


class Command(BaseCommand):
    help = "Serve the practice source and its pull requests on this machine, for the lab."
    requires_system_checks = []

    def add_arguments(self, parser: CommandParser) -> None:
        parser.add_argument("--port", type=int, default=0, help="where to listen on 127.0.0.1; 0 takes a free port")
        parser.add_argument("--folder", type=Path, default=settings.STATE_DIR / "lab", help="where practice.git is or will be")
        parser.add_argument("--push", action="store_true", help="let branches be pushed to")
        parser.add_argument(
            "--misbehave", action="append", type=_fault, default=[], metavar="PATH=KIND:N", help="delay:SECONDS, status:CODE or cut:BYTES"
        )

    def handle(self, *args: Any, port: int, folder: Path, push: bool, misbehave: list[tuple[str, Fault]], **options: Any) -> None:
        repository = practice_source.create(folder)
        try:
            forge = Forge(repository, port=port, push=push)
        except OSError as error:
            raise CommandError(f"Port {port} cannot be used: {error.strerror}. Give another one with --port.") from None
        for path, fault in misbehave:
            forge.misbehave(path, fault)
        signal.signal(signal.SIGTERM, signal.default_int_handler)
        self.stdout.write(f"Practice forge: {forge.url}/")
        self.stdout.flush()
        with forge, contextlib.suppress(KeyboardInterrupt):
            forge.serve_forever()
