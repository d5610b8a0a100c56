"""The pages of the build wizard."""

from __future__ import annotations

import re
from typing import Any, cast

from django import forms
from django.core.exceptions import ValidationError

from releases import rules
from releases.models import Source

MOST_PATCHES = 30
THREADS = re.compile(r"[1-9][0-9]?|[1-9](?:\.[0-9])?C")


class NamesInput(forms.TextInput):
    """A text field that suggests names, which arrive with what a worker read."""

    template_name = "components/names_input.html"
    names: tuple[str, ...] = ()

    def get_context(self, name: str, value: Any, attrs: dict[str, Any] | None) -> dict[str, Any]:
        context = super().get_context(name, value, {**(attrs or {}), "list": f"{name}-names", "autocomplete": "off", "spellcheck": "false"})
        return {**context, "names": self.names}


class SourceForm(forms.Form):
    source = forms.ModelChoiceField(Source.objects.all(), empty_label="Choose a source", help_text="Registered under Releases, Sources.")
    ref = forms.CharField(
        label="Branch or tag", max_length=200, widget=NamesInput(), validators=[rules.branch],
        help_text="Resolved to a commit, which is pinned: what moves afterwards is not built.",
    )  # fmt: skip
    offline = forms.BooleanField(
        required=False, label="Use the mirror as it is", help_text="Does not fetch: for when the repository cannot be reached."
    )

    def look(self, found: dict[str, Any]) -> None:
        widget = self.fields["ref"].widget
        if isinstance(widget, NamesInput):
            widget.names = tuple(found.get("names") or ())
        if not self.is_bound and not self.initial.get("ref") and found.get("default_branch"):
            self.initial["ref"] = found["default_branch"]


class PatchesForm(forms.Form):
    patches = forms.CharField(
        required=False,
        label="Pull requests",
        widget=forms.Textarea(attrs={"rows": 4, "spellcheck": "false", "data-patches": ""}),
        help_text="Numbers or addresses, one a line, in the order in which they are applied. Leave it empty to build the branch as it is.",
    )

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        if isinstance(kept := self.initial.get("patches"), list | tuple):
            self.initial = {**self.initial, "patches": "\n".join(map(str, kept))}

    def clean_patches(self) -> list[str]:
        words = [word.lstrip("#") for word in self.cleaned_data["patches"].replace(",", " ").split()]
        if len(words) > MOST_PATCHES:
            raise ValidationError(f"At most {MOST_PATCHES} pull requests in one build.")
        for word in words:
            if not rules.NUMBER.fullmatch(word):
                rules.web_url(word)
        return words


class VersionForm(forms.Form):
    WAYS = (("new", "A new version"), ("rebuild", "The source's own version again"))

    numbering = forms.ChoiceField(
        choices=WAYS, initial="new", widget=forms.RadioSelect, label="Number",
        help_text="Two builds of one number cannot be told apart later.",
    )  # fmt: skip
    version = forms.CharField(
        required=False, max_length=64, label="Version", validators=[rules.version], widget=forms.TextInput(attrs={"spellcheck": "false"}),
        help_text="Three or four numbers, such as 4.8.0.16; -NAME may follow.",
    )  # fmt: skip

    def look(self, found: dict[str, Any]) -> None:
        if not self.is_bound and not self.initial.get("version") and found.get("suggested"):
            self.initial["version"] = found["suggested"]

    def clean(self) -> dict[str, Any]:
        data = super().clean() or {}
        if data.get("numbering") == "new" and not data.get("version") and "version" not in self.errors:
            self.add_error("version", ValidationError("Give the number that this build gets.", code="required"))
        return data


def offer(form: forms.Form, name: str, choices: list[tuple[str, str]]) -> None:
    """Adds choices that were read. What was chosen before stays one, so that a guard can say what is wrong with it."""
    field = cast(forms.ChoiceField, form.fields[name])
    before = [(str(value), str(says)) for value, says in cast(list[tuple[str, str]], field.choices)]
    chosen = [str(value) for value in (form.initial.get(name), form.data.get(name)) if value]
    known = {value for value, _ in choices} | {value for value, _ in before}
    safe = [value for value in chosen if value not in known and re.fullmatch(r"[A-Za-z0-9._:/+-]{1,100}", value)]
    merged = dict([*before, *choices, *((value, f"{value} (not found)") for value in dict.fromkeys(safe))])
    field.choices = list(merged.items())


class BuildForm(forms.Form):
    profiles = forms.CharField(
        required=False, initial="systemvm", validators=[rules.profiles], label="Maven profiles", help_text="Separated by blanks."
    )
    skip_tests = forms.BooleanField(required=False, label="Skip the unit tests", help_text="Saves minutes, and finds nothing.")
    threads = forms.CharField(required=False, max_length=5, label="Threads", help_text="Maven's -T: a number, or 1C for one a core.")
    arguments = forms.CharField(required=False, max_length=500, validators=[rules.arguments], label="Extra arguments")
    target = forms.ChoiceField(label="Build machine", choices=[("local", "This machine")])
    jdk = forms.ChoiceField(required=False, label="JDK", choices=[("", "The one that fits the source best")])
    warm = forms.TypedChoiceField(
        choices=[("1", "Warm: share Maven's downloads with other builds of this source"), ("", "Clean: download everything again")],
        coerce=bool, empty_value=False,  # type: ignore[arg-type]
        required=False, initial="1", widget=forms.RadioSelect, label="Workspace",
    )  # fmt: skip
    rpm = forms.ChoiceField(required=False, label="RPM packages", choices=[("", "None")])
    noredist = forms.BooleanField(required=False, label="With components that may not be redistributed (noredist)")
    release_number = forms.IntegerField(min_value=1, max_value=9999, initial=1, label="RPM release number")
    deb = forms.BooleanField(required=False, label="Debian packages")

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self.initial = {**self.initial, "warm": "1" if self.initial.get("warm", True) else ""}

    def look(self, found: dict[str, Any]) -> None:
        offer(self, "rpm", [(name, name) for name in found.get("distributions") or ()])
        offer(self, "target", [(one["target"], one["name"]) for one in found.get("places") or ()])
        offer(self, "jdk", [(one["home"], f"JDK {one['version']} ({one['home']})") for one in found.get("jdks") or ()])

    def clean_threads(self) -> str:
        text = str(self.cleaned_data["threads"])
        if text and not THREADS.fullmatch(text):
            raise ValidationError("A number from 1 to 99, or a number and C, such as 1C or 1.5C.")
        return text
