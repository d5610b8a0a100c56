"""What a step asks of CloudStack, as the command `python -m opsportal.cloudstack call` reads it."""

from __future__ import annotations

from dataclasses import dataclass, field

from pydantic import TypeAdapter

from opsportal.cloudstack.client import SECONDS

UNSURE = 75
"""Exit code: a change was sent, and nobody knows whether it happened."""


@dataclass(frozen=True)
class Request:
    """`url` has to be the connection's own: what was approved for one address is never sent to another.

    `seconds` is how long one answer may take, `job` how long a job is followed besides (0 for a command that answers at once).
    `key` names the rows of a list, over all of whose pages is asked.
    """

    url: str
    command: str
    params: dict[str, str] = field(default_factory=dict)
    seconds: float = SECONDS
    job: float = 0
    key: str = ""


REQUEST: TypeAdapter[Request] = TypeAdapter(Request)
