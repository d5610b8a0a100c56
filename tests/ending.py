"""Programs that started servers end them when they are asked to end."""

from __future__ import annotations

import signal
import sys
import threading
from types import FrameType


def on_term() -> None:
    """From now on SIGTERM ends this process as an exception does, so that every `finally` runs. A second one does not disturb that."""
    if threading.current_thread() is threading.main_thread():
        signal.signal(signal.SIGTERM, _leave)


def _leave(number: int, frame: FrameType | None) -> None:
    signal.signal(signal.SIGTERM, signal.SIG_IGN)
    sys.exit(128 + number)
