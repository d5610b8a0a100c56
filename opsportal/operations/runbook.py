"""What a runbook must supply. One runbook is one file; the engine and the pages need nothing else."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from enum import StrEnum
from typing import Any, ClassVar, Generic, TypeVar

from django import forms
from pydantic import TypeAdapter

from opsportal.operations.facts import FactSet
from opsportal.operations.guards import Guard
from opsportal.operations.steps import Step

P = TypeVar("P")


class Risk(StrEnum):
    ROUTINE = "routine"
    DISRUPTIVE = "disruptive"
    DANGEROUS = "dangerous"


class Queue(StrEnum):
    """Which workers execute it: those near the hosts, or those with Maven."""

    SSH = "ssh"
    BUILD = "build"


@dataclass(frozen=True)
class Page:
    """One page of the wizard.

    The names of the form's fields are names of the parameters; what a field cleans to must be plain JSON or a model object, which is kept
    by its primary key. A form that needs facts (the branches to choose from) has a method `look(self, found: dict[str, Any]) -> None`:
    it is called with what `Runbook.look` gave for this page ({} while it was not read yet), before the form is validated or rendered.

    `template` extends "operations/wizard_page.html" and fills its blocks: `fields` (inside the form; by default every field) and `look`
    (below it; by default `look` as a list of names and values). Context: operation, book, page, form, look, findings (of this page's
    fields), others (the rest), readonly. Both blocks are rendered again while the person types, so a script must listen on the document.
    """

    slug: str
    title: str
    form: type[forms.Form]
    help: str = ""
    template: str = "operations/wizard_page.html"


class NothingToDo(Exception):
    """Raised by a planner which found everything as wished. The message says so in full."""


class Runbook(ABC, Generic[P]):
    """`P` is a frozen dataclass of the parameters. Every field has a default, so that a half-filled draft can be read.

    The names of its fields are the names of the form fields of all pages.
    """

    name: ClassVar[str]
    version: ClassVar[int] = 1
    title: ClassVar[str]
    summary: ClassVar[str]
    when: ClassVar[str]
    goes_wrong: ClassVar[str]
    afterwards: ClassVar[str]
    risk: ClassVar[Risk]
    approvals: ClassVar[int]
    queue: ClassVar[Queue] = Queue.SSH
    params: ClassVar[type[Any]]
    pages: ClassVar[tuple[Page, ...]]
    guards: ClassVar[tuple[Guard, ...]] = ()
    settles: ClassVar[bool] = False
    """Settles open restorations, so it may run while they are open."""
    plans_the_rest: ClassVar[bool] = False
    """A plan has nothing of what is there already. So what failed is taken up again with the whole of a new plan, not at the step."""
    plan_template: ClassVar[str] = ""
    """An extra part for the review and operation pages, given the operation and `look("review", ...)`."""
    styles: ClassVar[tuple[str, ...]] = ()
    """Style sheets that its own templates need: "css/pools.css"."""

    def parse(self, raw: Mapping[str, Any]) -> P:
        """Parameters from stored JSON; unknown names are dropped."""
        names = self.params.__dataclass_fields__
        value: P = TypeAdapter(self.params).validate_python({name: raw[name] for name in raw if name in names})
        return value

    def initial(self) -> dict[str, Any]:
        """What a new draft starts with."""
        return {}

    def fresh(self) -> dict[str, Any]:
        """Values that every new run needs for itself and only a retry shares: the name of its workspace."""
        return {}

    @abstractmethod
    def subject(self, params: P) -> str:
        """What it is about, in a few words for lists: "4.8.0.16 from 4.8"."""

    def locks(self, params: P) -> Iterable[str]:
        """Names of what may be worked on by one operation only: "pool:UUID", "host:3", "workspace:17"."""
        return ()

    def look(self, page: str, params: P, facts: FactSet) -> dict[str, Any]:
        """What a page shows besides its form: plain JSON values made of facts. Called in a worker until nothing is missing."""
        return {}

    @abstractmethod
    def plan(self, params: P, facts: FactSet) -> Iterable[Step]:
        """The steps. Pure: depends on nothing but its arguments. Raises `NothingToDo`."""

    def submitted(self, operation_id: int) -> None:
        """Called once, in the transaction that submits the draft: from here on the operation is on record as wanted."""

    def finished(self, operation_id: int, state: str) -> None:
        """Called once when an operation of this kind reached a final state."""
