"""What the buttons of the lab page send."""

from __future__ import annotations

from typing import Any

from django import forms

from opsportal.lab import control
from opsportal.lab.machines.control import API_FAULTS, FAULTS

SENTENCES = {
    "pull_plug": "The plug of {host} was pulled.",
    "power_on": "{host} was switched on.",
    "cut_storage": "The storage {sr} is out of reach for {seconds} s of the practice cloud's clock.",
    "cut_network": "{host} has no network for {seconds} s of the practice cloud's clock.",
    "hang_xe": "xe on {host} hangs for {seconds} s of the practice cloud's clock.",
    "kill_xapi": "xapi on {host} was killed.",
    "fail_next": "The next xe {command} on {host} ends with {code}.",
    "protect_vm": "{vm} is protected by HA now.",
    "unplug_pbd": "{host} has lost its plug to {sr}.",
    "disagree": "{host} believes in a master that is not there.",
}
"""What the operator reads afterwards, for each of `FAULTS`."""

API_SENTENCES = {
    "fail_change": "CloudStack refuses the next change with {code}.",
    "fail_job": "CloudStack's next job fails.",
    "stick": "The next host that goes into maintenance stays on its way there.",
    "slow_answer": "CloudStack's next answer takes {seconds} s of the practice cloud's clock.",
    "spoil_answer": "CloudStack's next answer is spoilt.",
    "shift_clock": "CloudStack's clock is {minutes:g} minutes ahead of this machine's.",
    "stop_api": "CloudStack's API is away for {seconds} s of the practice cloud's clock.",
}
"""The same for `API_FAULTS`."""

WORD = r"[A-Za-z0-9][A-Za-z0-9 ._:()-]{0,79}"


class SeatForm(forms.Form):
    """Begins the seat anew."""

    seat = forms.RegexField(r"\A[0-9]{1,3}\Z")

    def act(self) -> str:
        control.reset(self.cleaned_data["seat"])
        return "The practice cloud is as on the first day."


class SpeedForm(SeatForm):
    speed = forms.FloatField(min_value=0.1, max_value=1000)

    def act(self) -> str:
        control.speed(self.cleaned_data["speed"])
        return f"The practice cloud's clock runs {self.cleaned_data['speed']:g} times as fast as a real one."


class FaultForm(SeatForm):
    name = forms.ChoiceField(choices=[(name, name) for name in FAULTS])
    host = forms.RegexField(rf"\A{WORD}\Z", required=False)
    sr = forms.RegexField(rf"\A{WORD}\Z", required=False)
    vm = forms.RegexField(rf"\A{WORD}\Z", required=False)
    command = forms.RegexField(rf"\A{WORD}\Z", required=False)
    code = forms.RegexField(r"\A[A-Z_]{1,80}\Z", required=False)
    seconds = forms.FloatField(required=False, min_value=1, max_value=86_400)

    def act(self) -> str:
        name = self.cleaned_data["name"]
        args = self._args(name)
        control.fault(self.cleaned_data["seat"], name, args)
        return SENTENCES[name].format(**args)

    def _args(self, name: str) -> dict[str, Any]:
        given = {key: self.cleaned_data.get(key) for key in FAULTS[name]}
        return {key: int(value) if key == "seconds" else value for key, value in given.items() if value}


class ApiFaultForm(SeatForm):
    name = forms.ChoiceField(choices=[(name, name) for name in API_FAULTS])
    code = forms.TypedChoiceField(choices=[(530, "530"), (431, "431")], coerce=int, required=False)
    how = forms.ChoiceField(choices=[("html", "html"), ("cut", "cut")], required=False)
    seconds = forms.IntegerField(required=False, min_value=1, max_value=86_400)
    minutes = forms.FloatField(required=False, min_value=-1440, max_value=1440)

    def act(self) -> str:
        name = self.cleaned_data["name"]
        args = {key: self.cleaned_data[key] for key in API_FAULTS[name] if self.cleaned_data[key] not in (None, "")}
        control.fault(self.cleaned_data["seat"], name, args)
        return API_SENTENCES[name].format(**args)
