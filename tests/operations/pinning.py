"""Runbooks on a name that moves, and on files that are stored and fetched."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from typing import ClassVar

from opsportal.operations import store
from opsportal.operations.facts import FactSet
from opsportal.operations.steps import CannotUndo, Effect, FetchFiles, NothingToUndo, PutStored, RunCommand, Step
from opsportal.transport.command import Command
from tests.operations.books import FileText, Ledger, LedgerParams


@dataclass(frozen=True)
class Pointer(FileText):
    """What a name stands for at the moment of planning."""

    pinned: ClassVar[bool] = True


class Following(Ledger):
    """Writes down what the pointer stood for when the plan was made."""

    name = "tests.following"
    title = "Follow a pointer"
    submitted_ids: ClassVar[list[int]] = []

    def plan(self, params: LedgerParams, facts: FactSet) -> Iterable[Step]:
        word = facts(Pointer("local", f"{params.folder}/state")).strip()
        command = Command(script='echo "$2" >> "$1/ledger"', argv=(params.folder, word))
        yield Step(
            "note",
            "local",
            "Note it",
            "The test wants it.",
            RunCommand(command, timeout=20),
            Effect.IDEMPOTENT,
            True,
            (),
            (),
            NothingToUndo(),
        )

    def submitted(self, operation_id: int) -> None:
        self.submitted_ids.append(operation_id)


class Carrying(Ledger):
    """Places a stored file of any encoding, and takes what `word` names back into the store."""

    name = "tests.carrying"
    title = "Carry files"
    pages = ()
    data = b"caf\xe9 \x00\xff\n"

    def plan(self, params: LedgerParams, facts: FactSet) -> Iterable[Step]:
        put = PutStored(f"{params.folder}/out/placed", store.put(self.data), len(self.data), "A file in no encoding")
        yield Step("put", "local", "Place it", "The test wants it.", put, Effect.IDEMPOTENT, True, (), (), CannotUndo("It stays."))
        listing = Command(script='echo "$1/$2"', argv=(params.folder, params.word))
        fetch = FetchFiles(listing, within=f"{params.folder}/out")
        yield Step("fetch", "local", "Take it", "The test wants it.", fetch, Effect.IDEMPOTENT, True, (), (), NothingToUndo())
