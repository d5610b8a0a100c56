"""The form of a network design."""

from __future__ import annotations

from typing import Any

from django import forms
from django.core.exceptions import ValidationError

from networking import rules
from networking.design import LACP, MODES, Design, Vlan
from networking.forms import PLAIN, name_field
from networking.models import NetworkDesign


class DesignForm(forms.ModelForm):  # type: ignore[type-arg] # generic only in the stubs
    bridge = name_field("Cloud bridge", "Where virtual machines and VLANs are plugged in, such as cloudbr0.")
    nics = forms.CharField(
        label="NICs",
        max_length=200,
        widget=PLAIN,
        help_text="With blanks between, the same on every host: eno49 eno50. Several are bonded.",
    )
    bond = name_field("Name of the bond", "Such as bond0. A single NIC is plugged in as it is.")
    mode = forms.ChoiceField(label="Mode", choices=MODES, initial="balance-tcp")
    lacp = forms.ChoiceField(label="LACP", choices=LACP, initial="active")
    fast = forms.BooleanField(label="Notice a lost partner within 3 s instead of 90 s", required=False, initial=True)
    vlans = forms.CharField(
        label="VLANs", required=False, max_length=4000,
        widget=forms.Textarea(attrs={"rows": 4, "spellcheck": "false", "class": "mono"}),
        help_text="Fake bridges, one a line: name and VLAN, such as mgmt0 100.",
    )  # fmt: skip
    management = forms.CharField(
        label="Management address goes into", required=False, max_length=60, widget=PLAIN,
        help_text="The cloud bridge or one of the VLANs. Empty: it stays where it is.",
    )  # fmt: skip
    integration = forms.CharField(
        label="Integration bridge", required=False, max_length=60, widget=PLAIN, validators=[rules.name],
        help_text="br-int for an SDN controller or OVN. Empty: none.",
    )  # fmt: skip

    class Meta:
        model = NetworkDesign
        fields = ("name", "cloud", "note")
        widgets = {"note": forms.Textarea(attrs={"rows": 2})}
        help_texts = {"cloud": "Whose hosts are held against it. Empty: those of every cloud."}

    def __init__(self, *args: Any, like: Design | None = None, **kwargs: Any) -> None:
        shown = _shown(like) if like else {"bridge": "cloudbr0", "bond": "bond0", "integration": "br-int"}
        kwargs["initial"] = {**shown, **(kwargs.get("initial") or {})}
        super().__init__(*args, **kwargs)

    def clean_nics(self) -> tuple[str, ...]:
        found = tuple(self.cleaned_data["nics"].replace(",", " ").split())
        if not found:
            raise ValidationError("Name one NIC at least.")
        for one in found:
            rules.name(one)
        if len(set(found)) != len(found):
            raise ValidationError("A NIC is named twice.")
        return found

    def clean_vlans(self) -> tuple[Vlan, ...]:
        found = tuple(_vlan(line) for line in self.cleaned_data["vlans"].splitlines() if line.strip())
        for values, what in (([one.name for one in found], "name"), ([str(one.tag) for one in found], "VLAN")):
            twice = sorted({value for value in values if values.count(value) > 1})
            if twice:
                raise ValidationError(f"The {what} {twice[0]} is given twice: a bridge has one fake bridge for each VLAN.")
        return found

    def clean(self) -> dict[str, Any]:
        data = super().clean() or {}
        vlans = [one.name for one in data.get("vlans") or ()]
        bonded = len(data.get("nics") or ()) > 1
        if data.get("mode") == "balance-tcp" and data.get("lacp") == "off" and bonded:
            self.add_error("lacp", "balance-tcp without LACP carries over one NIC at most: choose active, or another mode.")
        if data.get("management") and data["management"] not in (data.get("bridge"), *vlans):
            self.add_error("management", f"{data['management']} is neither the cloud bridge nor one of the VLANs.")
        single = [str(data.get(name) or "") for name in ("bridge", "integration", *(("bond",) if bonded else ()))]
        names = [*single, *vlans, *(data.get("nics") or ())]
        for name in sorted({name for name in names if name and names.count(name) > 1}):
            self.add_error(None, f"{name} stands for two things here. Interfaces, bonds and bridges of a host share one set of names.")
        return data

    def save(self, commit: bool = True) -> NetworkDesign:
        names = ("bridge", "nics", "integration", "bond", "mode", "lacp", "fast", "vlans", "management")
        self.instance.wanted = Design(**{name: self.cleaned_data[name] for name in names}).dump()
        saved: NetworkDesign = super().save(commit)
        return saved


def _shown(design: Design) -> dict[str, Any]:
    vlans = "\n".join(f"{one.name} {one.tag}" for one in design.vlans)
    return {**design.dump(), "nics": " ".join(design.nics), "vlans": vlans}


def _vlan(line: str) -> Vlan:
    words = line.split()
    if len(words) != 2 or not (words[1].isascii() and words[1].isdigit()):
        raise ValidationError(f"{line.strip()[:60]!r} is no name and VLAN: write it as mgmt0 100.")
    rules.name(words[0])
    rules.vlan(int(words[1][:9]))
    return Vlan(words[0], int(words[1]))
