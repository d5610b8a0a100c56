"""Times and sizes as a person would say them."""

from __future__ import annotations

from datetime import datetime, timedelta

from django.utils import timezone

_SPANS = (("day", 86400), ("h", 3600), ("min", 60), ("s", 1))
_SIZES = ("B", "kB", "MB", "GB", "TB", "PB")


def duration(seconds: float | timedelta | None) -> str:
    """The two largest units: "3 min 12 s", "2 days 4 h". Empty for None."""
    if seconds is None:
        return ""
    total = seconds.total_seconds() if isinstance(seconds, timedelta) else float(seconds)
    if abs(total) < 1 and total:
        return f"{total:.1f} s"
    rest = int(abs(total))
    said: list[str] = []
    for name, size in _SPANS:
        number, rest = divmod(rest, size)
        if number and len(said) < 2:
            said.append(_counted(number, name))
        elif said:
            break  # never "2 days 5 s"
    return ("−" if total < 0 else "") + (" ".join(said) or "0 s")


def _counted(number: int, unit: str) -> str:
    return f"{number} days" if unit == "day" and number != 1 else f"{number} {unit}"


def size(number: float | None) -> str:
    """Bytes in decimal units with three digits: "12.3 MB", "812 kB". Empty for None."""
    if number is None:
        return ""
    value, units = float(number), list(_SIZES)
    while abs(value) >= 999.5 and len(units) > 1:
        value, units = value / 1000, units[1:]
    return f"{value:.1f} {units[0]}" if value < 99.95 and units[0] != "B" else f"{value:.0f} {units[0]}"


def relative(moment: datetime, now: datetime | None = None) -> str:
    """ "just now", "12 min ago", "in 3 h". portal.js says the same, so a page that stays open agrees with a new one."""
    seconds = int(((now or timezone.now()) - moment).total_seconds())
    if abs(seconds) < 5:
        return "just now"
    for name, length in _SPANS:
        if number := abs(seconds) // length:
            return f"{_counted(number, name)} ago" if seconds > 0 else f"in {_counted(number, name)}"
    return "just now"


def exact(moment: datetime) -> str:
    """The portal's clock is UTC everywhere; every exact time says so."""
    return moment.astimezone(timezone.get_current_timezone()).strftime("%Y-%m-%d %H:%M:%S %Z")
