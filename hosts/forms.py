"""Forms of the inventory."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from django import forms
from django.core.exceptions import ValidationError
from django.db.models import QuerySet

from hosts import rules
from hosts.models import Cloud, Contact, Credential, Host, HostDraft, Kind, Pool


class _Tags(forms.CharField):
    """Shows tags as words with blanks between, and stores them as `rules.tags` writes them."""

    def __init__(self, **kwargs: Any) -> None:
        super().__init__(max_length=500, required=False, **kwargs)

    def prepare_value(self, value: Any) -> Any:
        return value.strip() if isinstance(value, str) else value

    def clean(self, value: Any) -> str:
        return rules.tags(super().clean(value) or "")


def _check_place(cleaned: dict[str, Any]) -> None:
    """A pool lies in one cloud: choosing the pool chooses the cloud; another cloud is a mistake."""
    pool: Pool | None = cleaned.get("pool")
    if pool and cleaned.get("cloud") and pool.cloud_id != cleaned["cloud"].pk:
        raise ValidationError({"pool": f"{pool} belongs to the cloud {pool.cloud}, not to {cleaned['cloud']}."})
    if pool:
        cleaned["cloud"] = pool.cloud


class PoolChoice(forms.ModelChoiceField):  # type: ignore[type-arg] # generic only in the stubs
    def label_from_instance(self, obj: Any) -> str:
        return f"{obj.cloud} / {obj}"


def _pool_field() -> PoolChoice:
    return PoolChoice(
        Pool.objects.select_related("cloud").order_by("cloud__name", "name"), required=False, label="Pool or cluster", empty_label="none"
    )


class CredentialChoice(forms.ModelChoiceField):  # type: ignore[type-arg] # generic only in the stubs
    def label_from_instance(self, obj: Any) -> str:
        return f"{obj} (logs in as {obj.username})"


def _credential_field(*, required: bool, help_text: str = "") -> CredentialChoice:
    empty = "Choose one" if required else "none"
    return CredentialChoice(Credential.objects.defer("secret"), required=required, empty_label=empty, help_text=help_text)


def _cloud_field() -> forms.ModelChoiceField[Cloud]:
    return forms.ModelChoiceField(Cloud.objects.all(), required=False, empty_label="none")


class HostForm(forms.ModelForm):  # type: ignore[type-arg] # generic only in the stubs
    credential = _credential_field(required=False)
    cloud = _cloud_field()
    pool = _pool_field()
    tags = _Tags(help_text="Words to find it by, with blanks between: rack-4 amsterdam")

    class Meta:
        model = Host
        fields = ("name", "address", "port", "username", "credential", "kind", "role", "cloud", "pool", "tags", "legacy", "notes")
        help_texts = {
            "address": "IP address or host name.",
            "username": "Only if it differs from the credential's.",
            "role": "What it does here, in a word or two.",
            "legacy": "Lets this one host use SHA-1, which old dom0s need (XenServer 6.2 to 7). A forged host is easier to make then.",
        }
        widgets = {"notes": forms.Textarea(attrs={"rows": 4})}

    def clean(self) -> dict[str, Any]:
        cleaned: dict[str, Any] = super().clean() or {}
        _check_place(cleaned)
        return cleaned


class DraftForm(forms.ModelForm):  # type: ignore[type-arg] # generic only in the stubs
    """First page of Add host."""

    credential = _credential_field(required=True, help_text="Its public key or password must be in place on the host already.")

    class Meta:
        model = HostDraft
        fields = ("address", "port", "username", "credential")
        help_texts = {
            "address": "IP address or host name of the machine.",
            "username": "Leave empty to use the credential's own user.",
        }

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self.fields["address"].widget.attrs.update(autofocus=True, autocomplete="off", spellcheck="false")
        self.fields["credential"].initial = _only_one(Credential.objects.all())

    def clean(self) -> dict[str, Any]:
        cleaned: dict[str, Any] = super().clean() or {}
        twin = Host.objects.filter(address__iexact=cleaned.get("address", ""), port=cleaned.get("port") or 0).first()
        if twin:
            raise ValidationError({"address": f"This is {twin.name}, which is in the inventory already."})
        return cleaned


def _only_one(things: QuerySet[Credential]) -> int | None:
    """The number of the only one there is: nobody has to choose it."""
    numbers = list(things.order_by().values_list("pk", flat=True)[:2])
    return numbers[0] if len(numbers) == 1 else None


class SaveDraftForm(forms.ModelForm):  # type: ignore[type-arg] # generic only in the stubs
    """Last page of Add host: what the machine cannot say about itself."""

    cloud = _cloud_field()
    pool = _pool_field()
    tags = _Tags()

    class Meta:
        model = Host
        fields = ("name", "kind", "role", "cloud", "pool", "tags", "notes")
        widgets = {"notes": forms.Textarea(attrs={"rows": 3})}

    def clean(self) -> dict[str, Any]:
        cleaned: dict[str, Any] = super().clean() or {}
        _check_place(cleaned)
        return cleaned


class SaveMemberForm(SaveDraftForm):
    """The same for a XenServer, which knows its pool: that pool can be made here, and its other members be added next."""

    new_pool = forms.CharField(
        max_length=64,
        required=False,
        validators=[rules.label],
        label="Or a new pool of this name",
        help_text="Its cloud is the one chosen above. Leave it empty for a host of its own.",
    )
    others = forms.MultipleChoiceField(
        required=False,
        widget=forms.CheckboxSelectMultiple,
        label="Add these members of the pool next",
        help_text="With the same credential. You compare each one's key by itself.",
    )
    field_order = ("name", "kind", "role", "cloud", "pool", "new_pool", "others", "tags", "notes")

    def __init__(self, *args: Any, known: Pool | None, members: Sequence[tuple[str, str]], **kwargs: Any) -> None:
        """`known` is the inventory's pool of this host, `members` are the addresses and names of those that are missing there."""
        super().__init__(*args, **kwargs)
        others = self.fields["others"]
        assert isinstance(others, forms.MultipleChoiceField)
        others.choices = list(members)
        if known:
            del self.fields["new_pool"]
        if not members:
            del self.fields["others"]

    def clean(self) -> dict[str, Any]:
        cleaned = super().clean()
        name, cloud = cleaned.get("new_pool"), cleaned.get("cloud")
        if name and cleaned.get("pool"):
            raise ValidationError({"new_pool": "A pool is chosen above. Leave one of the two empty."})
        if name and not cloud:
            raise ValidationError({"cloud": "Choose the cloud that the new pool lies in."})
        if name and Pool.objects.filter(name__iexact=name, cloud=cloud).exists():
            raise ValidationError({"new_pool": f"There is a pool of this name in {cloud}. Choose it above, or give another name."})
        return cleaned


class RepinForm(forms.Form):
    reason = forms.CharField(
        max_length=500,
        required=False,
        validators=[rules.free_text],
        help_text="Written to the audit trail, where everybody can read it.",
        label="Why has the host new keys?",
    )


class UploadForm(forms.Form):
    file = forms.FileField(required=False, label="CSV file", widget=forms.ClearableFileInput(attrs={"accept": ".csv,text/csv"}))
    text = forms.CharField(
        required=False, strip=False, label="or paste the lines", widget=forms.Textarea(attrs={"rows": 8, "spellcheck": "false"})
    )

    def clean(self) -> dict[str, Any]:
        cleaned: dict[str, Any] = super().clean() or {}
        if not self.errors and not cleaned.get("file") and not (cleaned.get("text") or "").strip():
            raise ValidationError({"file": "Choose a file, or paste its lines below."})
        return cleaned


class TagForm(forms.Form):
    tags = _Tags()

    def clean_tags(self) -> str:
        if not self.cleaned_data["tags"]:
            raise ValidationError("Say which tag.")
        return str(self.cleaned_data["tags"])


class GiveCredentialForm(forms.Form):
    credential = _credential_field(required=True)


class MoveForm(forms.Form):
    cloud = _cloud_field()
    pool = _pool_field()

    def clean(self) -> dict[str, Any]:
        cleaned: dict[str, Any] = super().clean() or {}
        _check_place(cleaned)
        return cleaned


class CloudForm(forms.ModelForm):  # type: ignore[type-arg] # generic only in the stubs
    class Meta:
        model = Cloud
        fields = ("name", "note")
        widgets = {"note": forms.Textarea(attrs={"rows": 3})}


class PoolForm(forms.ModelForm):  # type: ignore[type-arg] # generic only in the stubs
    class Meta:
        model = Pool
        fields = ("name", "cloud", "kind")


class UnseenTextarea(forms.Textarea):
    """Like a password field: what was typed does not come back with the errors."""

    def format_value(self, value: Any) -> str:
        return ""


SECRET_ATTRS = {"autocomplete": "new-password", "spellcheck": "false"}


class SecretForm(forms.Form):
    """The secret half of a credential, in one of three ways. Nothing typed here is ever rendered back."""

    WAYS = (("make", "Make a new SSH key here"), ("paste", "Paste a private key"), ("password", "Use a password"))

    way = forms.ChoiceField(choices=WAYS, initial="make", widget=forms.RadioSelect, label="Secret")
    algorithm = forms.ChoiceField(
        choices=(("ed25519", "Ed25519"), ("rsa", "RSA, for old dom0s (XenServer 6.2 to 7.0)")),
        initial="ed25519",
        required=False,
        label="Algorithm of a new key",
    )
    private_key = forms.CharField(
        required=False, strip=False, max_length=20_000, label="Private key", help_text="The whole text, OpenSSH or PEM.",
        widget=UnseenTextarea(attrs={"rows": 6, **SECRET_ATTRS}),
    )  # fmt: skip
    passphrase = forms.CharField(
        required=False, strip=False, max_length=500, help_text="Only if the pasted key has one; it is not stored.",
        widget=forms.PasswordInput(attrs=SECRET_ATTRS),
    )  # fmt: skip
    password = forms.CharField(required=False, strip=False, max_length=500, widget=forms.PasswordInput(attrs=SECRET_ATTRS))

    def clean(self) -> dict[str, Any]:
        cleaned: dict[str, Any] = super().clean() or {}
        needed = {"paste": "private_key", "password": "password"}.get(cleaned.get("way", ""))
        if needed and not cleaned.get(needed):
            self.add_error(needed, "This is missing.")
        return cleaned


class CredentialForm(forms.ModelForm):  # type: ignore[type-arg] # generic only in the stubs
    class Meta:
        model = Credential
        fields = ("name", "username", "sudo")
        labels = {"username": "User on the hosts", "sudo": "This user becomes root through sudo without a password"}
        help_texts = {
            "name": "What the pages call it: root on XenServer, builder.",
            "username": "root on XenServer; elsewhere better an account of its own that may use sudo.",
        }


FILTER_KINDS = Kind.choices
FILTER_CONTACTS = Contact.choices
