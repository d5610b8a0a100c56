"""Two families: what the operator can mend, and what we must."""

from __future__ import annotations


class Refused(Exception):
    """The portal will not do this now. The message says what, why and what to do."""

    @property
    def message(self) -> str:
        return str(self)


class PortalFault(Exception):
    """Something of ours is broken or out of step: logged in full, told to the operator in one sentence."""
