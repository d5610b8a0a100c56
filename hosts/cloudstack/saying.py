"""What a call to the API said when it was refused, in the step's own message."""

from __future__ import annotations

from typing import Any

MOST = 4000
"""Characters that are kept: what was refused is said at the end, in one line."""


class Said:
    """A progress reader (see `opsportal.operations.following`): its "error" is the last line, unless that is the answer itself."""

    def __init__(self, text: str = "") -> None:
        self.text = text

    def feed(self, data: bytes, now: float) -> None:
        self.text = (self.text + data.decode(errors="replace"))[-MOST:]

    def state(self) -> dict[str, Any]:
        lines = self.text.strip().splitlines()
        if not lines or lines[-1].startswith("{") or self.text.rstrip().endswith("}"):
            return {"text": self.text}
        return {"text": self.text, "error": lines[-1]}

    @classmethod
    def from_state(cls, state: dict[str, Any]) -> Said:
        return cls(str(state["text"]))
