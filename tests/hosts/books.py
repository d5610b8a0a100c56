"""A runbook whose steps run on a host of the inventory: each appends one line to a ledger there."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

from django import forms

from opsportal.operations.facts import FactSet
from opsportal.operations.runbook import Page, Risk, Runbook
from opsportal.operations.steps import Condition, Effect, NothingToUndo, PutFile, RunCommand, Step
from opsportal.transport.command import Command
from tests.operations.books import FileText

COUNT = 'echo "$2" >> "$1/ledger"; i=0; while [ $i -lt 60 ]; do echo "line $i"; i=$((i+1)); sleep 0.1; done'
QUICK = 'echo "$2" >> "$1/ledger"; echo "$2"'


@dataclass(frozen=True)
class RemoteParams:
    host: int = 0
    folder: str = ""
    scripts: tuple[str, ...] = ()
    """One step each: "count" prints for six seconds, "quick" at once, "file" writes a file."""


class RemoteForm(forms.Form):
    host = forms.IntegerField()
    folder = forms.CharField()
    scripts = forms.JSONField()


class Remote(Runbook[RemoteParams]):
    name = "tests.remote"
    title = "Write a ledger far away"
    summary = "Appends lines to a file on a host."
    when = "In tests."
    goes_wrong = "Nothing."
    afterwards = "The ledger is longer."
    risk = Risk.ROUTINE
    approvals = 0
    params = RemoteParams
    pages = (Page("all", "All", RemoteForm),)

    def subject(self, params: RemoteParams) -> str:
        return params.folder

    def locks(self, params: RemoteParams) -> Iterable[str]:
        return [f"host:{params.host}"]

    def plan(self, params: RemoteParams, facts: FactSet) -> Iterable[Step]:
        target = f"host:{params.host}"
        facts(FileText(target, f"{params.folder}/state"))
        for number, kind in enumerate(params.scripts):
            key = f"{kind}-{number}"
            yield self._file(target, key, params) if kind == "file" else self._run(target, key, params, COUNT if kind == "count" else QUICK)

    def _run(self, target: str, key: str, params: RemoteParams, script: str) -> Step:
        done = Condition("it is in the ledger", Command(("grep", "-qx", key, f"{params.folder}/ledger")))
        there = Condition("the folder is there", Command(("test", "-d", params.folder)))
        action = RunCommand(Command(script=script, argv=(params.folder, key)), timeout=120)
        return Step(key, target, f"Do {key}", "The test wants it.", action, Effect.NON_IDEMPOTENT, True, (there,), (done,), NothingToUndo())

    def _file(self, target: str, key: str, params: RemoteParams) -> Step:
        put = PutFile(f"{params.folder}/written", "as planned\n")
        return Step(key, target, f"Write {key}", "The test wants it.", put, Effect.IDEMPOTENT, True, (), (), NothingToUndo())
