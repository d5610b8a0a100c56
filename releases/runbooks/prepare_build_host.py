"""Prepare a build host: what is there, what a source needs, and the difference, installed."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import asdict, dataclass
from typing import Any

from django import forms
from django.core.exceptions import ValidationError

from opsportal.operations import targets
from opsportal.operations.facts import FactError, FactSet
from opsportal.operations.runbook import NothingToDo, Page, Queue, Risk, Runbook
from opsportal.operations.steps import Step
from releases import prepare_guards, preparing, rules
from releases.build_forms import NamesInput, offer
from releases.facts.mirror import Refs
from releases.facts.portal import BuildPlaces
from releases.facts.tools import Space, Toolbox, Tools
from releases.models import Source
from releases.planning import registered


@dataclass(frozen=True)
class PrepareParams:
    """`source` 0 prepares for any Maven project. Satisfies `planning.OnASource`."""

    target: str = "local"
    source: int = 0
    ref: str = ""
    rpm: bool = False
    deb: bool = False

    @property
    def offline(self) -> bool:
        return False

    @property
    def patches(self) -> tuple[str, ...]:
        return ()


class PrepareForm(forms.Form):
    target = forms.ChoiceField(label="Machine", choices=[("local", "This machine")], help_text="Build machines are hosts of that kind.")
    source = forms.ModelChoiceField(
        Source.objects.all(), required=False, empty_label="Any Maven project", help_text="What it needs depends on the branch."
    )
    ref = forms.CharField(required=False, label="Branch or tag", max_length=200, widget=NamesInput(), validators=[rules.branch])
    rpm = forms.BooleanField(required=False, label="RPM packages are made there")
    deb = forms.BooleanField(required=False, label="Debian packages are made there")

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self.initial = {**self.initial, "source": self.initial.get("source") or None}

    def look(self, found: dict[str, Any]) -> None:
        offer(self, "target", [(one["target"], one["name"]) for one in found.get("places") or ()])
        widget = self.fields["ref"].widget
        if isinstance(widget, NamesInput):
            widget.names = tuple(found.get("names") or ())

    def clean(self) -> dict[str, Any]:
        data = super().clean() or {}
        source = data.get("source")
        if data.get("ref") and not source and "source" not in self.errors:
            self.add_error("source", ValidationError("Choose the source that this branch is of."))
        if source and not data.get("ref") and "ref" not in self.errors:
            data["ref"] = source.default_branch
        return {**data, "source": source or 0}


class PrepareBuildHost(Runbook[PrepareParams]):
    name = "prepare-build-host"
    title = "Prepare a build host"
    summary = "Reads what a machine has for building, compares it with what a source needs, and installs what is missing."
    when = "Before the first build on a machine, and when a build's findings say that a tool or a JDK is missing."
    goes_wrong = (
        "A package that the distribution does not have is named before anything runs, with what to do. "
        "Another package manager that is at work is waited for, two minutes at most."
    )
    afterwards = "Every tool was looked for again. Undo removes exactly the packages that came."
    risk = Risk.DISRUPTIVE
    approvals = 0
    queue = Queue.SSH
    params = PrepareParams
    pages = (Page("machine", "Machine", PrepareForm, template="releases/wizard_prepare.html"),)
    guards = prepare_guards.RULES
    plan_template = "releases/_prepare_review.html"

    def subject(self, params: PrepareParams) -> str:
        source = Source.objects.filter(pk=params.source).first()
        machine = targets.names([params.target])[params.target][0]
        return f"{machine} for {source.name}{f', {params.ref}' if params.ref else ''}" if source else machine

    def locks(self, params: PrepareParams) -> Iterable[str]:
        """One package manager, one installation."""
        yield params.target

    def look(self, page: str, params: PrepareParams, facts: FactSet) -> dict[str, Any]:
        return _table(params, facts) if page == "review" else {**_choices(params, facts), **_table(params, facts)}

    def plan(self, params: PrepareParams, facts: FactSet) -> Iterable[Step]:
        box, found = facts(Tools(params.target)), prepare_guards.lacking(params, facts)
        if not found.install and found.nowhere:
            raise FactError(f"Missing, and not to be installed from here: {'; '.join(found.nowhere)}.")
        if not found.install:
            raise NothingToDo(f"Everything is there: {_inventory(params, facts, box)}.")
        there = prepare_guards.offer(params, facts, box)
        yield from preparing.steps(params.target, box, there, found, prepare_guards.effects(params, facts))


def _inventory(params: PrepareParams, facts: FactSet, box: Toolbox) -> str:
    wanted = preparing.tools(prepare_guards.tree(params, facts), rpm=params.rpm, deb=params.deb)
    java = prepare_guards.lacking(params, facts).jdk
    return ", ".join([*(f"{name} {box.versions.get(name, '')}".strip() for name in wanted), f"JDK {java.found}"])


def _choices(params: PrepareParams, facts: FactSet) -> dict[str, Any]:
    shown: dict[str, Any] = {"places": [asdict(place) for place in facts(BuildPlaces("portal"))]}
    if not params.source:
        return shown
    source = registered(params, facts)
    names = facts(Refs("local", source.pk, source.url))
    return {**shown, "names": [*names.branches, *names.tags][:500], "default_branch": source.default_branch}


def _table(params: PrepareParams, facts: FactSet) -> dict[str, Any]:
    """A row for each tool that is needed or that one asks about, and the machine's own data."""
    facts.need(Tools(params.target), Space(params.target))
    box, found = facts(Tools(params.target)), prepare_guards.lacking(params, facts)
    wanted = preparing.tools(prepare_guards.tree(params, facts), rpm=params.rpm, deb=params.deb)
    effects = prepare_guards.effects(params, facts)
    return {
        "rows": [_row(tool, tool in wanted, box) for tool in dict.fromkeys([*wanted, *preparing.PACKAGES])],
        "jdk": {**asdict(found.jdk), "homes": [asdict(one) for one in box.jdks]},
        "install": list(found.install),
        "nowhere": list(found.nowhere),
        "new": list(effects.new) if effects else [],
        "system": f"{box.os} {box.os_version}".strip(),
        "sandbox": box.sandbox,
        "free_kib": facts(Space(params.target)),
        "cpus": box.cpus,
    }


def _row(tool: str, needed: bool, box: Toolbox) -> dict[str, Any]:
    path = preparing.has(tool, box)
    package = preparing.PACKAGES[tool].get(box.family, "")
    return {
        "tool": tool,
        "why": preparing.WHY[tool],
        "needed": needed,
        "path": path,
        "version": box.versions.get(tool, ""),
        "package": package,
    }
