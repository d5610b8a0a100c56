"""A plan: steps in order, the facts it rests on, and the digest that an approval is bound to."""

from __future__ import annotations

import hashlib
import json
from dataclasses import dataclass, field
from typing import Any

from pydantic import TypeAdapter

from opsportal.operations.steps import Step


@dataclass(frozen=True)
class Plan:
    """What one operation will do. `facts` maps the key of each fact the planner read to the SHA-256 of its value."""

    runbook: str
    version: int
    steps: tuple[Step, ...]
    facts: dict[str, str] = field(default_factory=dict)
    because: str = ""
    """Why there is nothing to do, when there are no steps."""

    def __post_init__(self) -> None:
        keys = [step.key for step in self.steps]
        if len(keys) != len(set(keys)):
            raise ValueError(f"step keys are not unique: {sorted(key for key in keys if keys.count(key) > 1)}")

    def after(self, key: str) -> Plan:
        """The same plan from the step named `key` on; all of it when it has no such step, as there was something else to do meanwhile."""
        index = next((number for number, step in enumerate(self.steps) if step.key == key), 0)
        return Plan(self.runbook, self.version, self.steps[index:], self.facts, self.because)

    def to_json(self) -> str:
        """Canonical: sorted keys, no blanks, UTF-8. Equal plans give equal text."""
        return canonical(_adapter.dump_python(self, mode="json"))

    def digest(self) -> str:
        """SHA-256 of the canonical text, in hex."""
        return hashlib.sha256(self.to_json().encode()).hexdigest()


_adapter: TypeAdapter[Plan] = TypeAdapter(Plan)


def from_json(text: str) -> Plan:
    """Raises `pydantic.ValidationError` for a plan written by a version with another vocabulary."""
    return _adapter.validate_json(text)


def canonical(value: Any) -> str:
    """JSON text of plain values that is the same for equal values."""
    return json.dumps(value, sort_keys=True, separators=(",", ":"), ensure_ascii=False)
