"""What the portal knows about the machines it works on."""

from __future__ import annotations

import re
import shlex
import uuid
from datetime import timedelta
from typing import Any, ClassVar, Self

from django.conf import settings
from django.db import models
from django.db.models.functions import Lower
from django.urls import reverse
from django.utils import timezone

from hosts import rules
from hosts.cloudstack.models import CloudApi as CloudApi  # Django looks for models here
from hosts.tails.models import LogList, Tail, TailChunk  # noqa: F401 # Django looks for models here
from opsportal.web.sight import Limited


class Cloud(models.Model):
    """One CloudStack (or Cosmic) installation, or whatever the operator calls a cloud."""

    name = models.CharField(max_length=64, validators=[rules.label])
    note = models.TextField(blank=True, validators=[rules.free_text])

    SEEN_BY = "name"
    objects: ClassVar[Limited[Self]] = Limited()

    class Meta:
        ordering = ["name"]
        constraints = [
            models.UniqueConstraint(Lower("name"), name="cloud_name_once", violation_error_message="There is a cloud of this name.")
        ]

    def __str__(self) -> str:
        return self.name


class Pool(models.Model):
    """A XenServer pool, or a cluster of KVM hosts. `kind` decides which facts make sense later."""

    class Kind(models.TextChoices):
        XENSERVER = "xenserver", "XenServer pool"
        XCP_NG = "xcp-ng", "XCP-ng pool"
        KVM = "kvm", "KVM cluster"

    name = models.CharField(max_length=64, validators=[rules.label])
    cloud = models.ForeignKey(Cloud, on_delete=models.PROTECT, related_name="pools")
    kind = models.CharField(max_length=12, choices=Kind.choices, default=Kind.XENSERVER)
    uuid = models.CharField(max_length=36, blank=True, editable=False, help_text="As the pool itself says, from its first reading on.")
    state = models.JSONField(default=dict, blank=True, editable=False, help_text="The newest good reading, see hosts.xen.")
    state_at = models.DateTimeField(null=True, blank=True, editable=False)
    problem = models.TextField(blank=True, editable=False, help_text="Why the last attempt gave no reading; empty after a good one.")
    problem_at = models.DateTimeField(null=True, blank=True, editable=False)
    findings = models.JSONField(default=list, blank=True, editable=False, help_text="What the rulebook says to the newest reading.")
    next_read_at = models.DateTimeField(default=timezone.now, editable=False)
    claim = models.CharField(max_length=32, blank=True, editable=False, help_text="Which slice of a worker is reading it now.")

    SEEN_BY = "cloud__name"
    objects: ClassVar[Limited[Self]] = Limited()

    class Meta:
        ordering = ["name"]
        indexes = [models.Index(fields=["next_read_at"], name="pool_due"), models.Index(fields=["uuid"], name="pool_uuid")]
        constraints = [
            models.UniqueConstraint(
                Lower("name"), "cloud", name="pool_name_once", violation_error_message="This cloud has a pool of this name already."
            )
        ]

    def __str__(self) -> str:
        return self.name


class PoolReading(models.Model):
    """One reading of a pool: `state` when it changed, or `error`. `changes` as in `HostReading`."""

    pool = models.ForeignKey(Pool, on_delete=models.CASCADE, related_name="readings")
    at = models.DateTimeField()
    state = models.JSONField(default=dict)
    error = models.TextField(blank=True)
    changes = models.JSONField(default=list)
    changed = models.BooleanField(default=False)

    class Meta:
        ordering = ["-at", "-id"]
        indexes = [
            models.Index(fields=["pool", "-at"], name="pool_reading"),
            models.Index(fields=["changed", "at"], name="pool_reading_retention"),
        ]

    def __str__(self) -> str:
        return f"{self.pool_id} {self.at:%Y-%m-%d %H:%M:%S}"


NOTHING_ELSE = "no-pty,no-agent-forwarding,no-port-forwarding,no-X11-forwarding"


class Credential(models.Model):
    """How the portal logs in. One credential serves many hosts, so that a new secret is put in place once."""

    class Kind(models.TextChoices):
        KEY = "key", "SSH key"
        PASSWORD = "password", "Password"

    name = models.CharField(max_length=64, validators=[rules.label])
    kind = models.CharField(max_length=10, choices=Kind.choices)
    username = models.CharField(max_length=32, validators=[rules.username])
    secret = models.TextField(help_text="Encrypted by the portal's keyring; never shown.")
    public = models.TextField(blank=True, help_text="The public half of a key, one line for authorized_keys.")
    fingerprint = models.CharField(max_length=80, blank=True)
    sudo = models.BooleanField(default=False, help_text="Commands that need root run through sudo.")
    created_at = models.DateTimeField(auto_now_add=True)
    rotated_at = models.DateTimeField(default=timezone.now)
    rotated_by = models.ForeignKey(settings.AUTH_USER_MODEL, null=True, on_delete=models.PROTECT, related_name="+")

    class Meta:
        ordering = ["name"]
        constraints = [
            models.UniqueConstraint(
                Lower("name"), name="credential_name_once", violation_error_message="There is a credential of this name."
            )
        ]

    def __str__(self) -> str:
        return self.name

    def get_absolute_url(self) -> str:
        return reverse("credential", args=[self.pk])

    @property
    def authorized_line(self) -> str:
        """For authorized_keys: the portal needs a shell, and neither a terminal nor any forwarding. Every sshd knows these words."""
        return f"{NOTHING_ELSE} {self.public} opsportal:{self.name}" if self.public else ""

    @property
    def install_command(self) -> str:
        """Appends the line, run as the user on the host. The name of a credential has no quotes (see `rules.label`)."""
        line = shlex.quote(self.authorized_line)
        return f"umask 077; mkdir -p ~/.ssh && echo {line} >> ~/.ssh/authorized_keys" if self.public else ""


class Kind(models.TextChoices):
    BUILD = "build", "Build host"
    XENSERVER = "xenserver", "XenServer"
    XCP_NG = "xcp-ng", "XCP-ng"
    KVM = "kvm", "KVM"
    MANAGEMENT = "management", "Management server"
    OTHER = "other", "Other"


class Contact(models.TextChoices):
    """How the last attempt to talk to a host ended."""

    NEVER = "never", "Not read yet"
    OK = "ok", "Answers"
    UNREACHABLE = "unreachable", "Unreachable"
    SLOW = "slow", "Too slow"
    REFUSED = "refused", "Login refused"
    KEY_UNKNOWN = "key-unknown", "No key pinned"
    KEY_CHANGED = "key-changed", "Host key changed"
    ALGORITHMS = "algorithms", "Only old algorithms"
    UNREADABLE = "unreadable", "Answer not understood"


LOOKS: dict[str, tuple[str, str]] = {
    Contact.NEVER: ("unknown", "circle-dashed"),
    Contact.OK: ("ok", "circle-check"),
    Contact.UNREACHABLE: ("bad", "unplug"),
    Contact.SLOW: ("warn", "timer"),
    Contact.REFUSED: ("bad", "ban"),
    Contact.KEY_UNKNOWN: ("warn", "key-round"),
    Contact.KEY_CHANGED: ("bad", "shield-alert"),
    Contact.ALGORITHMS: ("warn", "lock"),
    Contact.UNREADABLE: ("warn", "circle-question-mark"),
}
"""Tone and icon of each state of contact: never told apart by colour alone."""


def written(address: str, port: int) -> str:
    """Address and port as people write them."""
    shown = f"[{address}]" if ":" in address else address
    return address if port == 22 else f"{shown}:{port}"


def sort_key(name: str) -> str:
    """Orders xen2 before xen10: lower case, every number padded to eight digits."""
    return re.sub(r"[0-9]+", lambda number: number[0].zfill(8), name.lower())[:200]


def system_of(facts: dict[str, Any]) -> str:
    """Product or system and its version, in a few words."""
    if facts.get("product"):
        return f"{facts['product']} {facts['product_version']}"[:60]
    return str(facts.get("os_name", ""))[:60]


SEARCHED = ("kind", "cloud", "pool", "name", "address", "tags", "role", "system", "credential", "legacy")
"""What the list of hosts is filtered by and searched in, besides the contact."""


class Host(models.Model):
    """One machine reached over SSH. Its target name in plans is "host:" and its id."""

    name = models.CharField(max_length=64, validators=[rules.label])
    sort_name = models.CharField(max_length=200, editable=False)
    address = models.CharField(max_length=253, validators=[rules.address])
    port = models.PositiveIntegerField(default=22, validators=[rules.port])
    username = models.CharField(max_length=32, blank=True, validators=[rules.username], help_text="Empty: the credential's own user.")
    kind = models.CharField(max_length=12, choices=Kind.choices, default=Kind.OTHER)
    role = models.CharField(max_length=64, blank=True, validators=[rules.label])
    cloud = models.ForeignKey(Cloud, null=True, blank=True, on_delete=models.PROTECT, related_name="hosts")
    pool = models.ForeignKey(Pool, null=True, blank=True, on_delete=models.PROTECT, related_name="hosts")
    credential = models.ForeignKey(Credential, null=True, blank=True, on_delete=models.PROTECT, related_name="hosts")
    legacy = models.BooleanField(default=False, help_text="May use SHA-1 keys and key exchange, which newer software refuses.")
    tags = models.CharField(max_length=500, blank=True, help_text='Stored as " a b ", so that one tag can be looked for with its blanks.')
    notes = models.TextField(blank=True, validators=[rules.free_text])

    contact = models.CharField(max_length=12, choices=Contact.choices, default=Contact.NEVER)
    contact_message = models.TextField(blank=True)
    contact_at = models.DateTimeField(null=True, blank=True)
    facts = models.JSONField(default=dict, blank=True, help_text="The newest values, as in the last good reading.")
    facts_at = models.DateTimeField(null=True, blank=True)
    system = models.CharField(max_length=60, blank=True, editable=False, help_text="Of the facts, so that lists can show and find it.")
    next_read_at = models.DateTimeField(default=timezone.now)
    claim = models.CharField(max_length=32, blank=True, help_text="Which slice of a worker is reading it now.")

    offered = models.JSONField(default=list, blank=True, help_text="Keys the host showed when somebody asked: kind, base64, fingerprint.")
    offered_at = models.DateTimeField(null=True, blank=True)
    offer_error = models.TextField(blank=True)
    scan_asked_at = models.DateTimeField(null=True, blank=True)

    created_at = models.DateTimeField(auto_now_add=True)
    created_by = models.ForeignKey(settings.AUTH_USER_MODEL, null=True, on_delete=models.PROTECT, related_name="+")

    SEEN_BY = "cloud__name"
    objects: ClassVar[Limited[Self]] = Limited()

    class Meta:
        ordering = ["sort_name", "id"]
        constraints = [
            models.UniqueConstraint(Lower("name"), name="host_name_once", violation_error_message="There is a host of this name."),
            models.UniqueConstraint(
                Lower("address"), "port", name="host_address_once", violation_error_message="There is a host with this address and port."
            ),
        ]
        indexes = [
            # The list: each order, and each filter that leaves many, with all that is searched. So it is answered from the index
            # alone, without reading ten thousand rows with their facts.
            models.Index(fields=["sort_name", "id", *SEARCHED, "contact"], name="host_order"),
            models.Index(fields=["contact", "sort_name", "id", *SEARCHED], name="host_contact"),
            models.Index(fields=["facts_at", "id", *SEARCHED, "contact"], name="host_facts_at"),
            models.Index(fields=["cloud", "sort_name", "id", *SEARCHED[:1], *SEARCHED[2:], "contact"], name="host_cloud"),
            models.Index(fields=["pool", "sort_name"], name="host_pool"),
            # The reader: who is due?
            models.Index(fields=["next_read_at"], name="host_due"),
            models.Index(fields=["claim"], name="host_claim"),
        ]

    def __str__(self) -> str:
        return self.name

    def save(self, *args: Any, **kwargs: Any) -> None:
        self.sort_name = sort_key(self.name)
        self.system = system_of(self.facts)
        super().save(*args, **kwargs)

    def get_absolute_url(self) -> str:
        return reverse("host", args=[self.pk])

    @property
    def tag_list(self) -> list[str]:
        return self.tags.split()

    @property
    def login(self) -> str:
        """The user on the host: its own, or the credential's."""
        return self.username or (self.credential.username if self.credential else "")

    @property
    def place(self) -> str:
        return written(self.address, self.port)

    @property
    def tone(self) -> str:
        return LOOKS[self.contact][0]

    @property
    def sign(self) -> str:
        return LOOKS[self.contact][1]

    @property
    def stale(self) -> bool:
        """The facts are so old that nobody should rely on them."""
        return self.facts_at is not None and self.facts_at < timezone.now() - timedelta(hours=24)

    @property
    def scanning(self) -> bool:
        """Somebody asked for the host's keys and no worker has answered yet."""
        return self.scan_asked_at is not None and (self.offered_at is None or self.offered_at < self.scan_asked_at)

    @property
    def reading(self) -> bool:
        """It is due or a worker has it."""
        return bool(self.claim) or self.next_read_at <= timezone.now()

    @property
    def busy(self) -> bool:
        """The page should look again soon; not while somebody ticks the keys on it."""
        return self.scanning or (self.reading and not self.offered)


class HostKey(models.Model):
    """A public key that a person accepted for a host. Never changed: it is retired, and another is pinned."""

    host = models.ForeignKey(Host, on_delete=models.CASCADE, related_name="keys")
    kind = models.CharField(max_length=40)
    base64 = models.TextField()
    fingerprint = models.CharField(max_length=80)
    pinned_by = models.ForeignKey(settings.AUTH_USER_MODEL, on_delete=models.PROTECT, related_name="+")
    pinned_at = models.DateTimeField(default=timezone.now)
    retired_at = models.DateTimeField(null=True, blank=True)
    retired_why = models.TextField(blank=True)

    class Meta:
        ordering = ["retired_at", "kind", "id"]
        indexes = [models.Index(fields=["host", "retired_at"], name="host_key_pinned")]

    def __str__(self) -> str:
        return f"{self.kind} {self.fingerprint}"


class HostReading(models.Model):
    """One reading of a host's facts: `values` as the fact gave them (only what always moves when nothing changed), or `error`.

    `changes` compares with the good reading before: a list of {"name", "before", "after"}.
    """

    host = models.ForeignKey(Host, on_delete=models.CASCADE, related_name="readings")
    at = models.DateTimeField()
    values = models.JSONField(default=dict)
    error = models.TextField(blank=True)
    changes = models.JSONField(default=list)
    changed = models.BooleanField(default=False)

    class Meta:
        ordering = ["-at", "-id"]
        indexes = [
            models.Index(fields=["host", "-at"], name="reading_host"),
            models.Index(fields=["changed", "at"], name="reading_retention"),
        ]

    def __str__(self) -> str:
        return f"{self.host_id} {self.at:%Y-%m-%d %H:%M:%S}"


PROBLEMS = {
    "transport:unreachable": "The host cannot be reached",
    "transport:timeout": "The host does not answer in time",
    "transport:authentication": "The host refused the login",
    "transport:host-key-changed": "The host key changed in between",
    "transport:host-key-unknown": "No host key is pinned",
    "transport:algorithms": "Host and portal share no algorithm",
    "transport:address": "This address cannot be used",
}


class HostDraft(models.Model):
    """A host being added: survives a closed browser. No secret is in it."""

    class State(models.TextChoices):
        SCANNING = "scanning", "Reading the host's keys"
        SCANNED = "scanned", "Waiting for a person to compare the fingerprints"
        READING = "reading", "Logging in"
        READ = "read", "Ready to save"
        FAILED = "failed", "Stopped"

    WAITING = (State.SCANNING, State.READING)

    id = models.UUIDField(primary_key=True, default=uuid.uuid4, editable=False)
    owner = models.ForeignKey(settings.AUTH_USER_MODEL, on_delete=models.CASCADE, related_name="host_drafts")
    address = models.CharField(max_length=253, validators=[rules.address])
    port = models.PositiveIntegerField(default=22, validators=[rules.port])
    username = models.CharField(max_length=32, blank=True, validators=[rules.username])
    credential = models.ForeignKey(Credential, on_delete=models.CASCADE, related_name="drafts")
    legacy = models.BooleanField(default=False)
    state = models.CharField(max_length=10, choices=State.choices, default=State.SCANNING)
    problem = models.CharField(max_length=40, blank=True, help_text="The stable id of the error that stopped it.")
    message = models.TextField(blank=True)
    keys = models.JSONField(default=list, help_text="What the host showed: kind, base64, fingerprint.")
    pinned = models.BooleanField(default=False, help_text="A person compared the fingerprints and accepted the keys.")
    facts = models.JSONField(default=dict)
    xen = models.JSONField(default=dict, help_text="What a XenServer says about its pool, see hosts.xen.recognising.")
    pool = models.ForeignKey(
        Pool, null=True, on_delete=models.SET_NULL, related_name="+", help_text="Of the member whose adding offered to add this one."
    )
    created_at = models.DateTimeField(auto_now_add=True)
    asked_at = models.DateTimeField(default=timezone.now, help_text="When a worker was last asked to go on.")

    class Meta:
        ordering = ["-created_at"]
        indexes = [models.Index(fields=["state", "asked_at"], name="host_draft_waiting")]

    def __str__(self) -> str:
        return self.address

    def get_absolute_url(self) -> str:
        return reverse("host_draft", args=[self.pk])

    @property
    def waiting(self) -> bool:
        return self.state in self.WAITING

    @property
    def waits_long(self) -> bool:
        return self.waiting and self.asked_at < timezone.now() - timedelta(seconds=30)

    @property
    def place(self) -> str:
        return written(self.address, self.port)

    @property
    def login(self) -> str:
        return self.username or self.credential.username

    @property
    def at(self) -> int:
        """Which of the four steps of the wizard it stands at."""
        by_state = {self.State.SCANNING: 2, self.State.SCANNED: 2, self.State.READING: 3, self.State.READ: 4}
        return by_state.get(self.State(self.state), 3 if self.pinned else 2)

    @property
    def headline(self) -> str:
        """What stopped it, in a few words."""
        return PROBLEMS.get(self.problem, "The host could not be read")


class HostImport(models.Model):
    """An uploaded list of hosts, parsed and shown before anything is imported."""

    id = models.UUIDField(primary_key=True, default=uuid.uuid4, editable=False)
    owner = models.ForeignKey(settings.AUTH_USER_MODEL, on_delete=models.CASCADE, related_name="+")
    text = models.TextField()
    file_name = models.CharField(max_length=200, blank=True)
    created_at = models.DateTimeField(auto_now_add=True)

    class Meta:
        ordering = ["-created_at"]

    def __str__(self) -> str:
        return self.file_name or str(self.id)
