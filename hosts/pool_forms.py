"""Forms of the pages of pools."""

from __future__ import annotations

from django import forms

from hosts.xen import ha_clock
from hosts.xen.ha_clock import Clock, What

OUTAGE = 90


class ClockForm(forms.Form):
    """What the HA clock is asked. Sent by GET, so a link keeps it."""

    timeout = forms.IntegerField(label="HA timeout, seconds", min_value=ha_clock.LEAST, max_value=ha_clock.MOST)
    outage = forms.IntegerField(label="Outage, seconds", min_value=1, max_value=ha_clock.MOST)
    what = forms.ChoiceField(label="What fails", choices=[(what.value, ha_clock.WORDS[what]) for what in What])

    def clock(self, timeout: int) -> Clock:
        """The answer; for what makes no sense that for the pool's own timeout."""
        if not self.is_valid():
            return ha_clock.clock(max(timeout, ha_clock.LEAST), OUTAGE, What.BOTH)
        return ha_clock.clock(self.cleaned_data["timeout"], self.cleaned_data["outage"], self.cleaned_data["what"])
