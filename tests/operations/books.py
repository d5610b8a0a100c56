"""Small runbooks for the engine's tests: each effect appends one line to a ledger file."""

from __future__ import annotations

import shlex
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from typing import Any, ClassVar

from django import forms

from opsportal.operations.facts import Fact, FactError, FactSet
from opsportal.operations.guards import Finding, Level, guard
from opsportal.operations.runbook import NothingToDo, Page, Risk, Runbook
from opsportal.operations.steps import CannotUndo, Condition, Effect, NothingToUndo, PutFile, RunCommand, Step, WayBack
from opsportal.transport.base import Result
from opsportal.transport.command import Command


@dataclass(frozen=True)
class FileText(Fact[str]):
    """What a file says."""

    path: str

    def command(self) -> Command:
        return Command(("cat", self.path))

    def parse(self, result: Result) -> str:
        if result.exit:
            raise FactError(f"{self.path} cannot be read: {result.err.strip()}")
        return result.out


@dataclass(frozen=True)
class LedgerParams:
    folder: str = ""
    scripts: tuple[str, ...] = ()
    """One step each: "ok", "fail", "groan" (says why), "slow", "flaky" (fails until the file `mended` exists), "loud:N" (N lines)."""
    word: str = "a"
    token: str = ""


class FolderForm(forms.Form):
    folder = forms.CharField()
    word = forms.CharField(required=False)


class ScriptsForm(forms.Form):
    scripts = forms.JSONField()


@guard("ledger.word", title="No bad word", reason="Bad words end badly.", source="The tests.")
def no_bad_word(params: LedgerParams, facts: FactSet) -> Iterator[Finding]:
    if params.word == "bad":
        yield Finding(Level.BLOCK, "The word is bad.", field="word")
    if params.word == "risky":
        yield Finding(Level.BLOCK, "The word is risky.", field="word", override=True)


SCRIPTS = {
    "ok": "exit 0",
    "fail": "exit 3",
    "groan": "echo fine; printf '\\033[31mNo space left\\033[0m\\t<b>\\n\\n'; exit 3",
    "slow": "i=0; while [ $i -lt 40 ]; do echo line $i; i=$((i+1)); sleep 0.05; done",
    "sleep": "sleep 30",
    "flaky": 'test -e "$1/mended"',
}


def script(kind: str) -> str:
    if kind.startswith("loud:"):
        return f"seq 1 {int(kind[5:])}"
    return SCRIPTS[kind]


class Ledger(Runbook[LedgerParams]):
    name = "tests.ledger"
    title = "Write a ledger"
    summary = "Appends lines to a file."
    when = "In tests."
    goes_wrong = "Nothing."
    afterwards = "The ledger is longer."
    risk = Risk.ROUTINE
    approvals = 0
    params = LedgerParams
    pages: ClassVar[tuple[Page, ...]] = (Page("where", "Where", FolderForm), Page("what", "What", ScriptsForm))
    guards = (no_bad_word,)
    told: ClassVar[list[tuple[int, str]]] = []

    def fresh(self) -> dict[str, Any]:
        return {"token": "fresh"}

    def subject(self, params: LedgerParams) -> str:
        return params.folder

    def locks(self, params: LedgerParams) -> Iterable[str]:
        return [f"folder:{params.folder}"]

    def plan(self, params: LedgerParams, facts: FactSet) -> Iterable[Step]:
        state = facts(FileText("local", f"{params.folder}/state"))
        if state.strip() == "done":
            raise NothingToDo("The state is already done.")
        for number, kind in enumerate(params.scripts):
            yield self.step(params, f"{kind.partition(':')[0]}-{number}", kind)

    def step(self, params: LedgerParams, key: str, kind: str) -> Step:
        line = f'echo {shlex.quote(key)} >> "$1/ledger"; {script(kind)}'
        return Step(
            key=key,
            target="local",
            title=f"Do {key}",
            why="The test wants it.",
            action=RunCommand(Command(script=line, argv=(params.folder,)), timeout=120),
            effect=Effect.NON_IDEMPOTENT,
            interruptible=kind in ("sleep", "slow"),
            expect=(Condition("the folder is there", Command(("test", "-d", params.folder))),),
            probe=(Condition("it is in the ledger", Command(("grep", "-qx", key, f"{params.folder}/ledger"))),),
            undo=CannotUndo("A ledger is not rewritten.") if kind == "fail" else RunCommand(self.strike(params, key), timeout=20),
        )

    def strike(self, params: LedgerParams, key: str) -> Command:
        return Command(script='sed -i "/^$2\\$/d" "$1/ledger"', argv=(params.folder, key))

    def finished(self, operation_id: int, state: str) -> None:
        self.told.append((operation_id, state))


class Dangerous(Ledger):
    name = "tests.dangerous"
    title = "Write a dangerous ledger"
    risk = Risk.DANGEROUS
    approvals = 1


class Restoring(Ledger):
    """Switches a flag off, may fail in between, and switches it on again."""

    name = "tests.restoring"
    title = "Switch the flag off and on"
    pages = ()

    def plan(self, params: LedgerParams, facts: FactSet) -> Iterable[Step]:
        path = f"{params.folder}/flag"
        back = RunCommand(Command(script='echo on > "$1"', argv=(path,)), timeout=20)
        is_on = Condition("the flag is on", Command(("cat", path)), judge="equals", wants="on")
        is_off = Condition("the flag is off", Command(("cat", path)), judge="equals", wants="off")
        off = RunCommand(Command(script='echo off > "$1"', argv=(path,)), timeout=20)
        way_back = WayBack("flag", f"folder:{params.folder}", "The flag is off", back, (is_on,))
        yield Step("off", "local", "Switch off", "Must be off.", off, Effect.IDEMPOTENT, False, (), (is_off,), back, opens=way_back)
        for number, kind in enumerate(params.scripts):
            yield self.step(params, f"{kind}-{number}", kind)
        yield Step("on", "local", "Switch on", "As it was.", back, Effect.IDEMPOTENT, False, (), (is_on,), NothingToUndo(), settles="flag")


class Filing(Ledger):
    """Writes one file, as read and shown before."""

    name = "tests.filing"
    title = "Write a file"
    pages = ()

    def plan(self, params: LedgerParams, facts: FactSet) -> Iterable[Step]:
        path = f"{params.folder}/state"
        before = facts(FileText("local", path))
        put = PutFile(path, f"{params.word}\n", before=before, existed=True)
        back = PutFile(path, before, before=put.content, existed=True)
        yield Step("file", "local", "Write the file", "The test wants it.", put, Effect.IDEMPOTENT, False, (), (), back)
