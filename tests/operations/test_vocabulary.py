"""Plans, facts, guards and the decision table: pure."""

from __future__ import annotations

import dataclasses
from pathlib import Path

import pytest

from opsportal.operations import plan as plans
from opsportal.operations import reading
from opsportal.operations.decisions import TABLE, Journal, Verdict
from opsportal.operations.errors import PortalFault
from opsportal.operations.facts import FactError, FactSet, Missing, Reading
from opsportal.operations.states import FINAL, MOVES, OperationState
from opsportal.operations.steps import Step
from opsportal.transport.detached import Kind
from tests.operations.books import FileText, Ledger, LedgerParams


def a_plan(**changes: object) -> plans.Plan:
    step = Ledger().step(LedgerParams(folder="/x"), "ok-0", "ok")
    return plans.Plan("tests.ledger", 1, (dataclasses.replace(step, **changes),), {"fact": "0"})  # type: ignore[arg-type]


def test_a_plan_survives_json_and_keeps_its_digest() -> None:
    plan = a_plan()
    back = plans.from_json(plan.to_json())
    assert back == plan
    assert back.digest() == plan.digest()


@pytest.mark.parametrize("field", [field.name for field in dataclasses.fields(Step) if field.type in ("str", "bool")])
def test_one_changed_field_of_a_step_changes_the_digest(field: str) -> None:
    old = getattr(a_plan().steps[0], field)
    assert a_plan(**{field: f"{old}x" if isinstance(old, str) else not old}).digest() != a_plan().digest()


def test_step_keys_are_unique_and_safe() -> None:
    step = a_plan().steps[0]
    with pytest.raises(ValueError, match="not unique"):
        plans.Plan("b", 1, (step, step))
    with pytest.raises(ValueError, match="not a step key"):
        a_plan(key="../x")


def test_a_fact_set_asks_for_what_is_missing_and_records_what_was_used() -> None:
    fact, other = FileText("local", "/a"), FileText("local", "/b")
    with pytest.raises(Missing):
        FactSet({})(fact)
    facts = FactSet({fact.key(): Reading("text"), other.key(): Reading(error="gone")})
    assert facts(fact) == "text"
    assert list(facts.used) == [fact.key()]
    with pytest.raises(FactError, match="gone"):
        facts(other)


def test_gather_reads_until_nothing_is_missing(tmp_path: Path) -> None:
    (tmp_path / "a").write_text("b")
    (tmp_path / "b").write_text("end")
    value, facts = reading.gather(lambda facts: facts(FileText("local", f"{tmp_path}/{facts(FileText('local', f'{tmp_path}/a'))}")), {})
    assert value == "end"
    assert len(facts.used) == 2


def test_a_planner_that_never_stops_asking_is_a_fault() -> None:
    count = iter(range(10**6))
    with pytest.raises(PortalFault):
        reading.gather(lambda facts: facts.need(FileText("local", f"/missing/{next(count)}")), {})


def test_every_case_of_an_interruption_has_a_verdict() -> None:
    cases = {(journal, kind.value, same) for journal in Journal for kind in Kind for same in (True, False)}
    assert cases == set(TABLE)


def test_nothing_is_issued_again_once_it_was_acknowledged_or_started() -> None:
    for (journal, kind, _same), verdict in TABLE.items():
        if verdict is Verdict.ISSUE:
            assert kind == "not-started" or (journal, kind) == (Journal.INTENT, "absent")


def test_final_states_have_no_way_out_and_every_other_has_one() -> None:
    assert set(MOVES) == set(OperationState)
    assert {"succeeded", "failed", "cancelled", "stale", "rejected", "expired", "discarded"} == {str(state) for state in FINAL}
