"""Judges of conditions: what holds, what does not, and that silence, hangs and errors never hold."""

from __future__ import annotations

from collections.abc import Callable

import pytest

from hosts.xen import judges
from opsportal.transport.base import Result
from tests.hosts.xen.samples import HANG, U1, U2, U3, VM1, VM2, err, out, sample

Judge = Callable[[Result, str], str]

CASES: list[tuple[Judge, str, str, str]] = [
    (judges.ha_is, "true", "true\n", "false\n"),
    (judges.ha_is, "false", "false\n", "true\n"),
    (judges.ha_timeout_is, "180", sample(10), "timeout: 60\n"),
    (judges.ha_timeout_is, "180", "timeout: 180; local: a\\, b\n", "other: 180\n"),
    (judges.master_is, U1, f"{U1}\n", f"{U2}\n"),
    (judges.pool_conf_is, "master", "master", "slave:10.0.0.11\n"),
    (judges.pool_conf_is, "slave:10.0.0.11", sample(63), "slave:10.0.0.12"),
    (judges.pool_conf_is, "slave:fd00::1", "slave:fd00::1\n", "broken"),
    (judges.pool_conf_is, "slave", "slave:10.0.0.12", "master"),
    (judges.enabled_is, "true", sample(12), "false\n"),
    (judges.live_is, "true", "true\n", "false\n"),
    (judges.emergency_is, "true", sample(42), "false\n"),
    (judges.attached_is, "true", "true,true\n", "true,false\n"),
    (judges.host_gone, U3, f"{U1},{U2}\n", sample(4)),
    (judges.host_there, U3, sample(4), f"{U1},{U2}\n"),
    (judges.lists_all, f"{U1},{U2}", sample(4), f"{U1}\n"),
    (judges.lists_exactly, f"{U1},{U2}", f"{U2},{U1}\n", sample(4)),
    (judges.no_running_vms, "", sample(19), f"{VM1},{VM2}\n"),
    (judges.printed, "in 10.000 seconds", sample(43), sample(44)),
    (judges.printed, "attempt to join pool", sample(35), sample(36)),
]


@pytest.mark.parametrize(("judge", "wants", "good", "bad"), CASES)
def test_what_holds_and_what_does_not(judge: Judge, wants: str, good: str, bad: str) -> None:
    assert judge(out(good), wants) == ""
    assert judge(out(bad), wants) != ""


@pytest.mark.parametrize("judge", list(dict.fromkeys(case[0] for case in CASES)))
@pytest.mark.parametrize("wants", ["true", "false", "", "master", U1])
def test_silence_hangs_and_errors_never_hold(judge: Judge, wants: str) -> None:
    answers = [HANG, Result(124, "true\n"), out(""), err(""), err(sample(24)), err(sample(56)), err(sample(60), 1), out(sample(24))]
    assert all(judge(answer, wants) for answer in answers)
    if judge is not judges.no_running_vms:
        assert judge(out("\n"), wants)


@pytest.mark.parametrize("number", [26, 40, 41, 50, 56, 59])
def test_an_error_of_any_version_is_explained(number: int) -> None:
    said = judges.master_is(err(sample(number)), U1)
    assert said.startswith("xe failed with exit code 1: ") and len(said) > len(sample(number))


def test_a_hang_names_the_master() -> None:
    assert "pool master is probably unreachable" in judges.ha_is(HANG, "false")


def test_failures_with_exit_code_0_do_not_hold() -> None:
    assert "although its exit code is 0" in judges.printed(out(sample(30)), "attempt to restart as a master")


def test_a_cut_list_is_no_proof_that_a_host_is_gone() -> None:
    assert judges.host_gone(Result(0, f"{U1}\n", truncated=True), U3)
