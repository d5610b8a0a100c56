"""The vocabulary of a plan. Plain frozen dataclasses; nothing here reads, writes or runs anything."""

from __future__ import annotations

import re
from dataclasses import dataclass
from enum import StrEnum
from typing import Annotated, Literal

from pydantic import Field

from opsportal.transport.command import Command

KEY = re.compile(r"[a-z0-9][a-z0-9-]{0,62}")


class Effect(StrEnum):
    """What issuing a step a second time would do."""

    NONE = "none"
    IDEMPOTENT = "idempotent"
    NON_IDEMPOTENT = "non-idempotent"


@dataclass(frozen=True)
class Condition:
    """A read-only command and what its answer must be.

    `judge` names the rule: "exit" (exit code equals `wants`, a number), "equals" (output without its last newline),
    "contains", "empty" (no output), or the dotted path of a pure function `(Result, wants: str) -> str` which returns
    "" when it holds and otherwise the sentence that says what is wrong. With `within`, it is asked again until it
    holds, for that many seconds. `target` is the step's own unless given.
    """

    says: str
    command: Command
    judge: str = "exit"
    wants: str = "0"
    within: int = 0
    timeout: int = 30
    target: str = ""


@dataclass(frozen=True)
class RunCommand:
    """Runs detached on the target, at most once for a step's attempt. `timeout` in seconds; `ok` are exit codes that count as done.

    `unsure` are exit codes that leave open whether it happened: the probe may show that it did, else the step is unknown.
    `fresh` starts it over a connection made for it, which proves that the target still lets us in.
    """

    command: Command
    timeout: int
    ok: tuple[int, ...] = (0,)
    unsure: tuple[int, ...] = ()
    fresh: bool = False
    kind: Literal["run"] = "run"


@dataclass(frozen=True)
class PutFile:
    """Writes a whole file. `before` is what was read there when it was planned ("" with `existed` False for a new file)."""

    path: str
    content: str
    mode: int = 0o644
    before: str = ""
    existed: bool = False
    sudo: bool = False
    kind: Literal["put"] = "put"


@dataclass(frozen=True)
class PutStored:
    """Writes a file which the portal has stored (`opsportal.operations.store`), whatever its encoding. `title` says what it is."""

    path: str
    sha256: str
    size: int
    title: str
    mode: int = 0o644
    kind: Literal["stored"] = "stored"


SECRET_HERE = "{secret}"  # noqa: S105 - marks the place, is none


@dataclass(frozen=True)
class PutSecret:
    """Writes a file for the login alone, with a secret that the plan only names.

    `secret` is "KIND:ID" by `settings.SECRETS`, such as "credential:3"; `called` says what it is. It is looked up when the file is
    sent and kept nowhere: not in the plan, the log or an argument. In `content` it stands where `SECRET_HERE` stands.
    """

    path: str
    secret: str
    called: str
    content: str = SECRET_HERE
    kind: Literal["secret"] = "secret"


@dataclass(frozen=True)
class FetchFiles:
    """Copies files from the target into the portal's store, under the operation's own folder.

    `listing` prints the paths, one a line; each is stored under its base name. Only plain files below `within` are taken: what is
    listed may have been made by foreign code, and a link in it could point at anything.
    """

    listing: Command
    within: str
    kind: Literal["fetch"] = "fetch"


@dataclass(frozen=True)
class WaitFor:
    """Asks until all conditions hold; each has its own `within`."""

    conditions: tuple[Condition, ...]
    kind: Literal["wait"] = "wait"


@dataclass(frozen=True)
class Expect:
    """Goes on only if all conditions hold now."""

    conditions: tuple[Condition, ...]
    kind: Literal["expect"] = "expect"


Action = Annotated[RunCommand | PutFile | PutStored | PutSecret | FetchFiles | WaitFor | Expect, Field(discriminator="kind")]


@dataclass(frozen=True)
class CannotUndo:
    """Why there is no way back, in words for the person who wants one."""

    reason: str
    kind: Literal["cannot"] = "cannot"


@dataclass(frozen=True)
class NothingToUndo:
    """The step leaves nothing that matters behind."""

    kind: Literal["nothing"] = "nothing"


Undo = Annotated[RunCommand | PutFile | CannotUndo | NothingToUndo, Field(discriminator="kind")]


@dataclass(frozen=True)
class WayBack:
    """A temporary change that must not be forgotten: written down before the step that makes it.

    `resource` is the lock name it shows on ("pool:UUID"); `action` brings back what was, `proof` says that it is back.
    """

    key: str
    resource: str
    title: str
    action: Annotated[RunCommand | PutFile, Field(discriminator="kind")]
    proof: tuple[Condition, ...]


@dataclass(frozen=True)
class Step:
    """One action on one target. Everything without a default must be decided by the runbook's author.

    `key` is unique in the plan and becomes a directory name. `target` is "local" or "host:ID".
    `expect` must hold before, `probe` proves it afterwards (and alone decides after an interruption).
    `progress` is the dotted path of a `Progress` reader for the output; `record` the dotted path of a function
    `(operation_id: int, step_key: str, output: bytes) -> None` called once the step is proved.
    """

    key: str
    target: str
    title: str
    why: str
    action: Action
    effect: Effect
    interruptible: bool
    expect: tuple[Condition, ...]
    probe: tuple[Condition, ...]
    undo: Undo
    danger: bool = False
    opens: WayBack | None = None
    settles: str = ""
    progress: str = ""
    record: str = ""

    def __post_init__(self) -> None:
        if not KEY.fullmatch(self.key):
            raise ValueError(f"{self.key!r} is not a step key: lower-case letters, digits and dashes, at most 63")
