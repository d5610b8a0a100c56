"""How far Maven is, read from what real Mavens printed (tests/releases/cases/maven)."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from releases.progress import REST_LIMIT, MavenProgress

CASES = Path(__file__).parent / "cases" / "maven"
EVERY = sorted(path.name for path in CASES.iterdir())


def read(data: bytes, *, piece: int = 0) -> dict[str, Any]:
    reader = MavenProgress()
    for at in range(0, len(data), piece or len(data)):
        reader.feed(data[at : at + (piece or len(data))], 100.0)
    return reader.state()


def case(name: str) -> bytes:
    return (CASES / name).read_bytes()


@pytest.mark.parametrize("name", ["surefire3-all-well.txt", "surefire3-two-threads.txt"])
def test_a_build_that_goes_well(name: str) -> None:
    state = read(case(name))
    assert (state["label"], state["done"], state["total"]) == ("Module 10 of 10", 10, 10)
    assert state["detail"] == "Practice Cloud Client · 84 tests"
    assert "error" not in state
    assert {module["state"] for module in state["modules"]} == {"ok"}
    assert all(module["seconds"] is not None for module in state["modules"])
    assert [state["tests"][key] for key in ("run", "failures", "errors", "skipped", "suites")] == [84, 0, 0, 0, 16]


@pytest.mark.parametrize(("name", "run", "line"), [("surefire2.12", 16, 89), ("surefire2.22", 16, 87), ("surefire3", 30, 259)])
def test_a_failing_test_is_named_with_its_line(name: str, run: int, line: int) -> None:
    data = case(f"{name}-test-fails.txt")
    state = read(data)
    assert state["error"] == (
        "Module practice-server: CapacityPlannerTest.processorsArePromisedTwice: java.lang.AssertionError: expected:<32000> but was:<48000>"
    )
    (failed,) = state["tests"]["failed"]
    assert (failed["suite"], failed["test"]) == ("practice.server.CapacityPlannerTest", "processorsArePromisedTwice")
    assert state["problem"]["line"] == failed["line"] == line
    assert b"processorsArePromisedTwice" in data.split(b"\n")[line]
    assert (state["tests"]["run"], state["tests"]["failures"]) == (run, 1)
    assert [module["state"] for module in state["modules"]][-4:] == ["failed", "skipped", "skipped", "skipped"]
    assert state["detail"].endswith(f"{run} tests, 1 failed")


def test_errors_and_failures_are_told_apart() -> None:
    tests = read(case("surefire3-errors.txt"))["tests"]
    assert (tests["failures"], tests["errors"]) == (1, 2)
    assert [one["test"] for one in tests["failed"]] == ["memoryIsPromisedOnce", "lessThanThereIsMakesNoSense", "processorsArePromisedTwice"]


def test_what_does_not_compile_is_named_with_file_and_line() -> None:
    data = case("does-not-compile.txt")
    state = read(data)
    assert state["error"] == "Module practice-engine-schema: DatabaseUpgradeChecker.java, line 8: cannot find symbol"
    assert b"DatabaseUpgradeChecker.java:[8,22]" in data.split(b"\n")[state["problem"]["line"]]
    assert state["modules"][5]["state"] == "failed"


@pytest.mark.parametrize("name", EVERY)
@pytest.mark.parametrize("piece", [1, 7, 4096])
def test_pieces_of_any_size_give_the_same(name: str, piece: int) -> None:
    assert read(case(name), piece=piece) == read(case(name))


@pytest.mark.parametrize("name", EVERY)
def test_another_worker_goes_on_where_the_last_one_stopped(name: str) -> None:
    data = case(name)
    reader = MavenProgress()
    for at in range(0, len(data), 1000):
        reader = MavenProgress.from_state(json.loads(json.dumps(reader.state())))
        reader.feed(data[at : at + 1000], 100.0)
    assert reader.state() == read(data)


def test_while_it_runs_the_module_is_shown() -> None:
    begun = case("surefire3-test-fails.txt").partition(b"[INFO] Running practice.server.CapacityPlannerTest")[0]
    state = read(begun)
    assert (state["label"], state["done"], state["total"]) == ("Module 7 of 10", 6, 10)
    assert state["modules"][6]["state"] == "building"


def test_one_module_alone() -> None:
    state = read(b"[INFO] Building Practice 1.0-SNAPSHOT\n[INFO] Building jar: /build/x.jar\n")
    assert (state["label"], state["detail"]) == ("Module 1 of 1", "Practice")


def test_colours_and_carriage_returns_do_not_hide_a_line() -> None:
    coloured = b"\x1b[1;34m[INFO]\x1b[m Running a.BTest\r\n[\x1b[1;31mERROR\x1b[m] "
    coloured += b"Tests run: 2, Failures: 1, Errors: 0, Skipped: 0, Time elapsed: 1,234.5 s <<< FAILURE! - in a.BTest\r\n"
    assert read(coloured)["tests"]["failures"] == 1


def test_a_line_of_a_megabyte_and_bytes_that_are_no_text_cost_nothing() -> None:
    reader = MavenProgress()
    reader.feed(b"[INFO] Building A 1 [1/2]\n" + b"x" * 1_000_000, 1.0)
    assert len(reader.state()["rest"]) <= REST_LIMIT
    reader.feed(b"\xff\xfe\x00" * 100_000 + b"\n[INFO] Building B 1 [2/2]\n", 2.0)
    assert (reader.state()["label"], reader.line) == ("Module 2 of 2", 3)
    json.dumps(reader.state())


def test_a_time_of_minutes_and_hours() -> None:
    lines = b"[INFO] Building A 1 [1/2]\n[INFO] Building B 1 [2/2]\n"
    lines += b"[INFO] A 1 ........ SUCCESS [01:30 min]\n[INFO] B 1 ........ FAILURE [02:15 h]\n"
    assert [(module["state"], module["seconds"]) for module in read(lines)["modules"]] == [("ok", 90.0), ("failed", 8100.0)]


def test_what_stops_before_any_module_is_an_error_too() -> None:
    state = read(b"[INFO] Scanning for projects...\n[ERROR] Some problems were encountered while processing the POMs:\n")
    assert state["error"] == "Some problems were encountered while processing the POMs:"
