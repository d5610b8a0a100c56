"""Forms of sources, schedules and retention. The build wizard's own forms are with the runbook."""

from __future__ import annotations

from typing import Any

from django import forms
from django.core.exceptions import ValidationError

from hosts.models import Host, Kind
from releases import rules
from releases.build_forms import MOST_PATCHES, THREADS
from releases.models import Repository, Schedule, Source

PLAIN = {"autocomplete": "off", "spellcheck": "false", "autocapitalize": "off"}


class SourceForm(forms.ModelForm):  # type: ignore[type-arg] # generic only in the stubs
    class Meta:
        model = Source
        fields = ("name", "url", "default_branch", "pulls", "pulls_url", "push_url", "brand", "notes")
        labels = {
            "name": "Name",
            "url": "Git address",
            "default_branch": "Default branch",
            "pulls": "Pull requests are",
            "pulls_url": "Address of the pull requests",
            "push_url": "Address to push merges to",
            "brand": "Brand",
        }
        help_texts = {
            "name": "What people call it, such as CloudStack or CloudStack 4.8.",
            "url": "Where it is fetched from: https://HOST/PATH or git@HOST:PATH.",
            "default_branch": "The wizard begins with it, and what the source can build is looked up on it.",
            "pulls_url": "Without the number, such as https://github.com/apache/cloudstack/pull.",
            "push_url": "Only for the runbook Merge a pull request.",
            "brand": "Put behind the numbers of own versions: acme makes 4.20.1.0-acme. Leave it empty for plain numbers.",
        }
        widgets = {
            "name": forms.TextInput(attrs={"autofocus": True, "autocomplete": "off"}),
            "url": forms.TextInput(attrs={**PLAIN, "class": "mono"}),
            "default_branch": forms.TextInput(attrs={**PLAIN, "class": "mono", "list": "branches"}),
            "pulls": forms.RadioSelect,
            "pulls_url": forms.TextInput(attrs={**PLAIN, "class": "mono"}),
            "push_url": forms.TextInput(attrs={**PLAIN, "class": "mono"}),
            "brand": forms.TextInput(attrs=PLAIN),
            "notes": forms.Textarea(attrs={"rows": 3}),
        }

    def clean_name(self) -> str:
        """At the field: the constraint of the database would say it about the form as a whole."""
        name = str(self.cleaned_data["name"])
        if Source.objects.filter(name__iexact=name).exclude(pk=self.instance.pk).exists():
            raise ValidationError("There is a source of this name.")
        return name

    def clean(self) -> dict[str, Any]:
        cleaned: dict[str, Any] = super().clean() or {}
        if "url" in cleaned and cleaned.get("push_url") and cleaned["push_url"] == cleaned["url"] and cleaned["url"].startswith("https://"):
            raise ValidationError({"push_url": "Pushing over https needs a password, which the portal does not keep. Use git@HOST:PATH."})
        return cleaned


class RetentionForm(forms.ModelForm):  # type: ignore[type-arg] # generic only in the stubs
    class Meta:
        model = Source
        fields = ("keep_workspaces", "keep_artefacts")
        labels = {"keep_workspaces": "Workspaces to keep", "keep_artefacts": "Builds whose artefacts to keep"}
        help_texts = {
            "keep_workspaces": "Of the newest builds. A retry needs its workspace.",
            "keep_artefacts": "Of the newest successful builds. Those that somebody keeps are not counted out.",
        }
        widgets = {
            "keep_workspaces": forms.NumberInput(attrs={"min": 0, "max": 100}),
            "keep_artefacts": forms.NumberInput(attrs={"min": 1, "max": 5000}),
        }

    def clean_keep_workspaces(self) -> int:
        return _between(self.cleaned_data["keep_workspaces"], 0, 100)

    def clean_keep_artefacts(self) -> int:
        return _between(self.cleaned_data["keep_artefacts"], 1, 5000)


def _between(value: int, low: int, high: int) -> int:
    if not low <= value <= high:
        raise ValidationError(f"A number from {low} to {high:,}.")
    return value


def _places() -> list[tuple[str, str]]:
    hosts = Host.objects.filter(kind=Kind.BUILD).values_list("pk", "name")[:500]
    return [("local", "This machine"), *((f"host:{pk}", name) for pk, name in hosts)]


class ScheduleForm(forms.ModelForm):  # type: ignore[type-arg] # generic only in the stubs
    """When, of what, and with which options. All but name, time and source becomes the schedule's parameters."""

    ref = forms.CharField(
        max_length=200, label="Branch", validators=[rules.branch],
        widget=forms.TextInput(attrs={**PLAIN, "class": "mono", "list": "branches"}),
    )  # fmt: skip
    patches = forms.CharField(
        required=False, max_length=2000, label="Pull requests",
        help_text="Numbers in the order they are applied, with blanks between: 12 7 31.",
        widget=forms.TextInput(attrs={**PLAIN, "class": "mono", "inputmode": "numeric"}),
    )  # fmt: skip
    profiles = forms.CharField(
        required=False, max_length=500, label="Maven profiles", validators=[rules.profiles], initial="systemvm",
        help_text="CloudStack builds with systemvm.", widget=forms.TextInput(attrs={**PLAIN, "class": "mono"}),
    )  # fmt: skip
    skip_tests = forms.BooleanField(required=False, label="Skip the unit tests")
    threads = forms.RegexField(
        rf"^(?:{THREADS.pattern})\Z", required=False, label="Threads",
        help_text="A number, or a number and C for each core: 1C. Empty for one.",
        error_messages={"invalid": "A number such as 4, or 1C, 1.5C for so many a core."},
        widget=forms.TextInput(attrs={**PLAIN, "size": 6}),
    )  # fmt: skip
    arguments = forms.CharField(
        required=False, max_length=1000, label="More Maven arguments", validators=[rules.arguments], help_text="Such as -Dnoredist.",
        widget=forms.TextInput(attrs={**PLAIN, "class": "mono"}),
    )  # fmt: skip
    warm = forms.BooleanField(
        required=False, initial=True, label="Use Maven's local repository of earlier builds",
        help_text="Without it every build downloads everything anew.",
    )  # fmt: skip
    rpm = forms.RegexField(
        r"^[A-Za-z0-9][A-Za-z0-9._-]{0,31}\Z", required=False, label="RPM packages for",
        help_text="A distribution such as centos7 or el8; empty for none.",
        error_messages={"invalid": "The name of a folder under packaging/ that has a cloud.spec."},
        widget=forms.TextInput(attrs={**PLAIN, "list": "distributions", "size": 12}),
    )  # fmt: skip
    deb = forms.BooleanField(required=False, label="Debian packages")
    noredist = forms.BooleanField(required=False, label="With what may not be redistributed (noredist)")
    release_number = forms.IntegerField(min_value=1, max_value=9999, initial=1, label="Release number of packages")
    target = forms.ChoiceField(choices=_places, label="Build on")

    class Meta:
        model = Schedule
        fields = ("source", "name", "cron")
        labels = {"cron": "When"}
        help_texts = {"cron": "Minute, hour, day, month, weekday, in UTC: 0 2 * * 1-5 is two at night from Monday to Friday."}
        widgets = {
            "name": forms.TextInput(attrs={"autocomplete": "off"}),
            "cron": forms.TextInput(attrs={**PLAIN, "class": "mono", "size": 20}),
        }

    OPTIONS = (
        "ref", "patches", "profiles", "skip_tests", "threads", "arguments", "warm", "rpm", "deb", "noredist", "release_number", "target",
    )  # fmt: skip

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        if self.instance.pk:
            self.fields["source"].disabled = True
            stored = {**self.instance.params, "patches": " ".join(self.instance.params.get("patches", []))}
            self.initial = {**self.initial, **{name: stored[name] for name in self.OPTIONS if name in stored}}

    def clean_patches(self) -> list[str]:
        words = str(self.cleaned_data["patches"]).replace(",", " ").replace("#", " ").split()
        if bad := [word for word in words if not rules.NUMBER.fullmatch(word)]:
            raise ValidationError(f"{bad[0]} is not the number of a pull request.")
        if len(words) > MOST_PATCHES:
            raise ValidationError(f"At most {MOST_PATCHES} pull requests in one build.")
        if double := sorted({word for word in words if words.count(word) > 1}):
            raise ValidationError(f"{', '.join(double)} is in the list more than once.")
        return words

    def clean(self) -> dict[str, Any]:
        cleaned: dict[str, Any] = super().clean() or {}
        source: Source | None = cleaned.get("source")
        others = Schedule.objects.filter(source=source, name__iexact=cleaned.get("name", "")).exclude(pk=self.instance.pk)
        if source and others.exists():
            raise ValidationError({"name": f"{source} has a schedule of this name."})
        if source and cleaned.get("patches") and source.pulls == Source.Pulls.PATCH and not source.pulls_url:
            raise ValidationError({"patches": f"{source} has no address of pull requests. Give it one under Edit first."})
        return cleaned

    def build_options(self) -> dict[str, Any]:
        """Parameters of the build runbook, as plain JSON."""
        return {name: self.cleaned_data[name] for name in self.OPTIONS}


class RepositoryForm(forms.ModelForm):  # type: ignore[type-arg] # generic only in the stubs
    class Meta:
        model = Repository
        fields = ("name", "slug", "access")
        labels = {"slug": "Name in the address", "access": "Who may install from it"}
        help_texts = {
            "name": "What people call it. apt shows it as the origin of a package.",
            "slug": "Small letters, digits and dashes. It cannot be changed later: servers have it in their files.",
        }
        widgets = {
            "name": forms.TextInput(attrs={"autofocus": True, "autocomplete": "off"}),
            "slug": forms.TextInput(attrs={**PLAIN, "class": "mono"}),
            "access": forms.RadioSelect,
        }

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        if self.instance.pk:
            del self.fields["slug"]


class KeyForm(forms.Form):
    private = forms.CharField(
        required=False, label="Private key", widget=forms.Textarea(attrs={"rows": 4, "class": "mono", **PLAIN}),
        help_text="As gpg --export-secret-keys --armor KEY prints it, without a passphrase. Leave it empty to have a key made here.",
    )  # fmt: skip
