"""What a changing `xe` printed, explained in the step's own message. For commands that print nothing when all is well."""

from __future__ import annotations

from typing import Any

from hosts.xen import errors

MOST = 4000
"""Characters that are kept: an error of xe has a few lines."""


class Said:
    """A progress reader (see `opsportal.operations.following`): its "error" is what the text means and what to do."""

    def __init__(self, text: str = "") -> None:
        self.text = text

    def feed(self, data: bytes, now: float) -> None:
        self.text = (self.text + data.decode(errors="replace"))[:MOST]

    def state(self) -> dict[str, Any]:
        if not self.text.strip():
            return {"text": self.text}
        return {"text": self.text, "error": errors.said(self.text)}

    @classmethod
    def from_state(cls, state: dict[str, Any]) -> Said:
        return cls(str(state["text"]))
