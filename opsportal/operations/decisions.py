"""What to do with a step after any interruption: the decision table, as data."""

from __future__ import annotations

from enum import StrEnum


class Journal(StrEnum):
    """What our own record says."""

    INTENT = "intent"
    ACKNOWLEDGED = "acknowledged"


class Verdict(StrEnum):
    ISSUE = "issue again with the same key"
    ATTACH = "attach and read on"
    RECORD = "record the exit code, then probe"
    PROBE = "we do not know: probe"


TABLE: dict[tuple[Journal, str, bool], Verdict] = {
    # (our record, the wrapper's word, same boot of the target) -> verdict
    (Journal.INTENT, "absent", True): Verdict.ISSUE,
    (Journal.INTENT, "absent", False): Verdict.PROBE,
    (Journal.ACKNOWLEDGED, "absent", True): Verdict.PROBE,
    (Journal.ACKNOWLEDGED, "absent", False): Verdict.PROBE,
}
for _journal in Journal:
    for _same in (True, False):
        TABLE[_journal, "not-started", _same] = Verdict.ISSUE
        TABLE[_journal, "running", _same] = Verdict.ATTACH
        TABLE[_journal, "exited", _same] = Verdict.RECORD
        TABLE[_journal, "unknown-killed", _same] = Verdict.PROBE
        TABLE[_journal, "unknown-reboot", _same] = Verdict.PROBE
