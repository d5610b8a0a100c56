"""Forms of the engine's own pages. What a runbook asks for is in its own forms."""

from __future__ import annotations

from typing import Any

from django import forms

_REASON = forms.Textarea(attrs={"rows": 3})


class SubmitForm(forms.Form):
    """Hands a draft's plan on. `digest` is of the plan that was on the page."""

    digest = forms.CharField(widget=forms.HiddenInput, max_length=64)
    reason = forms.CharField(label="Reason", required=False, max_length=2000, widget=_REASON, help_text="Kept with the operation for ever.")
    overrides = forms.BooleanField(label="Go on in spite of what the rulebook says", required=False)
    break_glass = forms.BooleanField(
        label="Break the glass: do with one approval less",
        required=False,
        help_text="For emergencies. It needs a reason; every approver and administrator is told, and it stands in red in the audit trail.",
    )

    def __init__(self, data: Any = None, *, overridable: bool, glass: bool, **rest: Any) -> None:
        """`overridable`: only blocks stand in the way that a reason passes. `glass`: this person may break the glass here."""
        super().__init__(data, **rest)
        if not overridable:
            del self.fields["overrides"]
        if not glass:
            del self.fields["break_glass"]

    def clean(self) -> dict[str, Any]:
        cleaned = super().clean() or self.cleaned_data
        if (cleaned.get("overrides") or cleaned.get("break_glass")) and not cleaned.get("reason", "").strip():
            self.add_error("reason", "Give a reason: why is it right to go on here?")
        return cleaned


class DecideForm(forms.Form):
    """A decision on the plan that was on the page."""

    digest = forms.CharField(widget=forms.HiddenInput, max_length=64)
    comment = forms.CharField(
        label="Comment", required=False, max_length=2000, widget=forms.Textarea(attrs={"rows": 2}), help_text="A rejection needs one."
    )


class ResolveForm(forms.Form):
    """What became of a step whose fate the portal does not know."""

    happened = forms.ChoiceField(
        label="What did you find?",
        choices=[("yes", "It did happen: go on with the next step"), ("no", "It did not happen: end here as failed")],
        widget=forms.RadioSelect,
    )
    reason = forms.CharField(
        label="How do you know?", max_length=2000, widget=_REASON, help_text="Which command you ran, where, and what it showed."
    )
