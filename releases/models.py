"""Where releases come from, what was built of them, and what came out."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

from django.conf import settings
from django.db import models
from django.db.models.functions import Lower
from django.urls import reverse
from django.utils import timezone

from opsportal.operations.models import Joined, Operation
from releases import rules


class Source(models.Model):
    """A Git repository that releases are built from. Nothing here says what kind of source it is: each checkout is looked at."""

    class Pulls(models.TextChoices):
        PATCH = "patch", "Mailbox over HTTP: URL/N.patch"
        REF = "ref", "Head ref of the repository: refs/pull/N/head"

    name = models.CharField(max_length=64, validators=[rules.label])
    url = models.CharField(max_length=500, validators=[rules.git_url])
    default_branch = models.CharField(max_length=200, validators=[rules.branch])
    pulls = models.CharField(max_length=6, choices=Pulls.choices, default=Pulls.PATCH)
    pulls_url = models.CharField(
        max_length=500, blank=True, validators=[rules.web_url], help_text="Base of the pull requests' addresses, such as …/pull."
    )
    push_url = models.CharField(max_length=500, blank=True, validators=[rules.git_url], help_text="Where merges are pushed.")
    brand = models.CharField(max_length=32, blank=True, validators=[rules.brand], help_text="Suffix of own versions, without the dash.")
    notes = models.TextField(blank=True, validators=[rules.free_text])
    keep_workspaces = models.PositiveSmallIntegerField(default=2, help_text="Newest builds whose workspaces stay on disk.")
    keep_artefacts = models.PositiveSmallIntegerField(default=20, help_text="Newest successful builds whose artefacts stay on disk.")
    created_at = models.DateTimeField(auto_now_add=True)
    created_by = models.ForeignKey(settings.AUTH_USER_MODEL, null=True, on_delete=models.PROTECT, related_name="+")

    class Meta:
        ordering = ["name"]
        constraints = [
            models.UniqueConstraint(Lower("name"), name="source_name_once", violation_error_message="There is a source of this name.")
        ]

    def __str__(self) -> str:
        return self.name

    def get_absolute_url(self) -> str:
        return reverse("source", args=[self.pk])


def patch_words(patches: list[dict[str, Any]]) -> list[str]:
    """Number and title of each patch; a number ends with a blank, so that 12 is found and not 120."""
    return [f"#{patch.get('number') or ''} {patch.get('title') or ''}" for patch in patches]


class Build(models.Model):
    """One run of the build runbook: made when it is submitted, filled in while it runs. The record stays for ever."""

    operation = models.OneToOneField(Operation, on_delete=models.PROTECT, related_name="build")
    source = models.ForeignKey(Source, on_delete=models.PROTECT, related_name="builds")
    version = models.CharField(max_length=64)
    ref = models.CharField(max_length=200)
    commit = models.CharField(max_length=64)
    built_commit = models.CharField(max_length=64, blank=True, help_text="With patches and version: what was compiled.")
    version_commit = models.CharField(max_length=64, blank=True)
    version_files = models.PositiveIntegerField(null=True, blank=True, help_text="Files that the version commit changed.")
    patches = models.JSONField(default=list, help_text="number, title, sha256, commits: as applied, in order.")
    options = models.JSONField(default=dict, help_text="Profiles, packaging and the rest, for comparing builds.")
    tests = models.JSONField(default=dict, help_text="run, failures, errors, skipped, failed: of the Maven step.")
    modules = models.JSONField(default=list, help_text="name, state, seconds: the reactor of the Maven step.")
    schedule = models.ForeignKey("Schedule", null=True, blank=True, on_delete=models.SET_NULL, related_name="builds")

    workspace = models.CharField(max_length=64)
    target = models.CharField(max_length=80)
    workspace_gone_at = models.DateTimeField(null=True, blank=True)
    artefacts_gone_at = models.DateTimeField(null=True, blank=True)
    keep = models.BooleanField(default=False, help_text="Somebody wants its artefacts whatever the retention says.")
    created_at = models.DateTimeField(auto_now_add=True)
    said = Joined(of=("version", "patch_words"))

    class Meta:
        ordering = ["-id"]
        indexes = [
            # History of one source, newest first; next free number of one version.
            models.Index(fields=["source", "-id"], name="build_source"),
            models.Index(fields=["source", "version"], name="build_version"),
            # Retention: which builds of a source still have something on disk?
            models.Index(fields=["source", "workspace_gone_at", "-id"], name="build_workspace"),
            # The list by branch, between two days, and of the few that somebody keeps.
            models.Index(fields=["ref", "-id"], name="build_ref"),
            models.Index(fields=["created_at"], name="build_created"),
            models.Index(fields=["-id"], condition=models.Q(keep=True), name="build_kept"),
            # A search for a commit where the words have an index, too (PostgreSQL).
            models.Index(fields=["commit"], name="build_commit"),
            models.Index(fields=["built_commit"], name="build_built_commit"),
            # A search reads this from its new end, and nothing else: rows are wide.
            models.Index(
                fields=["-id", "source", "schedule", "ref", "version", "keep", "operation", "said", "commit", "built_commit"],
                name="build_search",
            ),
        ]

    def __str__(self) -> str:
        return f"{self.source} {self.version}"

    def get_absolute_url(self) -> str:
        return reverse("build", args=[self.pk])

    @property
    def patch_words(self) -> list[str]:
        return patch_words(self.patches)


class Artefact(models.Model):
    """One file that a build left. Name, version and release are what the package itself says."""

    class Kind(models.TextChoices):
        RPM = "rpm", "RPM"
        DEB = "deb", "Debian package"
        FILE = "file", "File"

    build = models.ForeignKey(Build, on_delete=models.CASCADE, related_name="artefacts")
    kind = models.CharField(max_length=6, choices=Kind.choices)
    file = models.CharField(max_length=255, help_text="Name of the file in the store, under the operation's folder.")
    name = models.CharField(max_length=200)
    version = models.CharField(max_length=100, blank=True)
    release = models.CharField(max_length=100, blank=True)
    architecture = models.CharField(max_length=40, blank=True)
    size = models.PositiveBigIntegerField()
    sha256 = models.CharField(max_length=64)
    stored = models.BooleanField(default=False, help_text="It is in the portal's store and its SHA-256 was compared.")

    class Meta:
        ordering = ["kind", "file"]
        constraints = [models.UniqueConstraint(fields=["build", "file"], name="artefact_once")]

    def __str__(self) -> str:
        return self.file

    def get_absolute_url(self) -> str:
        return reverse("artefact", args=[self.pk])

    @property
    def available(self) -> bool:
        return self.stored and self.build.artefacts_gone_at is None


class Repository(models.Model):
    """A place that servers install packages from. What is in it stands in the files of its channels, see `releases.publishing`.

    The private half of its key is sealed by the portal's keyring.
    """

    class Access(models.TextChoices):
        OFF = "off", "Nobody: it is served by another web server, or not yet"
        TOKEN = "token", "Who knows the password"
        OPEN = "open", "Everybody who reaches the portal"

    name = models.CharField(max_length=64, validators=[rules.label])
    slug = models.SlugField(max_length=40, unique=True, validators=[rules.slug], help_text="Part of the address. It cannot be changed.")
    access = models.CharField(max_length=6, choices=Access.choices, default=Access.TOKEN)
    token = models.CharField(max_length=64, blank=True, editable=False, help_text="SHA-256 of the password for servers.")
    public = models.TextField(blank=True, editable=False, help_text="The public half of the key, armoured.")
    fingerprint = models.CharField(max_length=40, blank=True, editable=False)
    secret = models.TextField(blank=True, editable=False, help_text="The private half, encrypted by the portal's keyring; never shown.")
    expires_at = models.DateTimeField(null=True, editable=False)
    created_at = models.DateTimeField(auto_now_add=True)
    created_by = models.ForeignKey(settings.AUTH_USER_MODEL, null=True, on_delete=models.PROTECT, related_name="+", editable=False)

    class Meta:
        ordering = ["name"]

    def __str__(self) -> str:
        return self.name

    def get_absolute_url(self) -> str:
        return reverse("repository", args=[self.pk])

    @property
    def expired(self) -> bool:
        return self.expires_at is not None and self.expires_at <= timezone.now()


class Schedule(models.Model):
    """Builds by themselves: takes the next number, and only when the branch or the patches moved."""

    source = models.ForeignKey(Source, on_delete=models.CASCADE, related_name="schedules")
    name = models.CharField(max_length=64, validators=[rules.label])
    cron = models.CharField(max_length=100, default="0 2 * * *", validators=[rules.cron], help_text="Five fields, in UTC.")
    params = models.JSONField(default=dict, help_text="Parameters of the build runbook, without version and workspace.")
    enabled = models.BooleanField(default=True)
    owner = models.ForeignKey(settings.AUTH_USER_MODEL, on_delete=models.PROTECT, related_name="+", help_text="Whose rights count.")
    next_at = models.DateTimeField()
    last_at = models.DateTimeField(null=True, blank=True)
    last_outcome = models.CharField(max_length=300, blank=True)
    built_of = models.CharField(max_length=64, blank=True, help_text="Digest of commit and patches of the last build it started.")

    class Meta:
        ordering = ["source", "name"]
        indexes = [models.Index(fields=["enabled", "next_at"], name="schedule_due")]

    def __str__(self) -> str:
        return self.name

    def get_absolute_url(self) -> str:
        return reverse("schedule", args=[self.pk])

    def build_params(self) -> dict[str, Any]:
        return {**self.params, "source": self.source_id}


class Look(models.Model):
    """Something that a page shows and only a worker can read: asked for by a person, kept, and read again when somebody asks again.

    `about` and `kind` say what is read (`releases.looking.KINDS`); `answer` is plain JSON.
    """

    kind = models.CharField(max_length=20)
    about = models.CharField(max_length=700)
    asked_at = models.DateTimeField()
    claimed_at = models.DateTimeField(null=True, blank=True)
    answered_at = models.DateTimeField(null=True, blank=True)
    answer = models.JSONField(default=dict)
    error = models.TextField(blank=True)

    class Meta:
        ordering = ["-id"]
        constraints = [models.UniqueConstraint(fields=["kind", "about"], name="look_once")]

    def __str__(self) -> str:
        return f"{self.kind} {self.about}"

    @property
    def waiting(self) -> bool:
        return self.answered_at is None or self.answered_at < self.asked_at

    @property
    def waits_long(self) -> bool:
        """No worker took it for a while: perhaps none is running."""
        return self.waiting and self.claimed_at is None and timezone.now() - self.asked_at > timedelta(seconds=20)
