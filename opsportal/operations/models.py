"""The engine's records. The database is the truth; a message in a queue only wakes somebody up."""

from __future__ import annotations

import zlib
from typing import TYPE_CHECKING, Any, ClassVar, Self

from django.conf import settings
from django.db import models
from django.urls import reverse

from opsportal.operations import plan as plans
from opsportal.operations import registry
from opsportal.operations.runbook import Risk, Runbook
from opsportal.operations.states import FINAL, OperationState, StepState
from opsportal.web.sight import Limited

if TYPE_CHECKING:
    _Text = models.CharField[str, str]
else:
    _Text = models.CharField


def joined(*texts: str, limit: int = 1200) -> str:
    """Texts in one, as lists search them: in small letters, cut to `limit` bytes, because an index holds it."""
    return " ".join(texts).lower().encode("utf-8", "replace")[:limit].decode("utf-8", "ignore")


class Joined(_Text):
    """What `joined` makes of other fields (texts, and lists of texts), whenever its row is saved. An `update` of those sets it, too."""

    def __init__(self, *args: Any, of: tuple[str, ...] = (), **kwargs: Any) -> None:
        self.of = of
        super().__init__(*args, **{"max_length": 1200, "default": "", "editable": False, **kwargs})

    def deconstruct(self) -> Any:
        name, path, args, kwargs = super().deconstruct()
        return name, path, args, {**kwargs, "of": self.of}

    def pre_save(self, model_instance: models.Model, add: bool) -> str:
        found = (getattr(model_instance, name) for name in self.of)
        value = joined(*(text for one in found for text in ([one] if isinstance(one, str) else one)))
        setattr(model_instance, self.attname, value)
        return value


class Operation(models.Model):
    """One run of one runbook, from draft to its final state."""

    class Kind(models.TextChoices):
        FIRST = "first", "First run"
        RETRY = "retry", "Retry from the failed step"
        UNDO = "undo", "Undo"
        REBUILD = "rebuild", "Done again"

    runbook = models.CharField(max_length=80)
    runbook_version = models.PositiveIntegerField(default=1)
    title = models.CharField(max_length=200)
    subject = models.CharField(max_length=300, blank=True)
    state = models.CharField(max_length=20, choices=OperationState.choices, default=OperationState.DRAFT)
    outcome = models.TextField(blank=True, help_text="One or two sentences: what happened and what to do.")
    requester = models.ForeignKey(settings.AUTH_USER_MODEL, on_delete=models.PROTECT, related_name="operations")
    token = models.CharField(max_length=64, unique=True, help_text="One-time key of the form that made it: a double click makes one.")
    reason = models.TextField(blank=True)

    params = models.JSONField(default=dict)
    pages_done = models.JSONField(default=list)
    typed = models.JSONField(default=dict, help_text="What was typed on pages that are not valid yet: page, field, texts.")
    plan = models.TextField(blank=True)
    digest = models.CharField(max_length=64, blank=True)
    findings = models.JSONField(default=list)
    looks = models.JSONField(default=dict, help_text="What each wizard page shows, by page.")
    targets = models.JSONField(default=list)
    locks = models.JSONField(default=list)

    revision = models.PositiveIntegerField(default=1, help_text="Grows with each change of the parameters.")
    planned_revision = models.PositiveIntegerField(default=0)
    planned_at = models.DateTimeField(null=True, blank=True)
    plan_error = models.TextField(blank=True)

    risk = models.CharField(max_length=12, choices=[(risk.value, risk.value) for risk in Risk], default=Risk.ROUTINE.value)
    approvals_needed = models.PositiveSmallIntegerField(default=0)
    break_glass = models.BooleanField(default=False)
    queue = models.CharField(max_length=20, default="ssh")

    kind = models.CharField(max_length=10, choices=Kind.choices, default=Kind.FIRST)
    after = models.ForeignKey("self", null=True, blank=True, on_delete=models.PROTECT, related_name="followers")
    from_step = models.CharField(max_length=64, blank=True)

    created_at = models.DateTimeField(auto_now_add=True)
    submitted_at = models.DateTimeField(null=True, blank=True)
    queued_at = models.DateTimeField(null=True, blank=True)
    started_at = models.DateTimeField(null=True, blank=True)
    ended_at = models.DateTimeField(null=True, blank=True)
    cancel_requested_at = models.DateTimeField(null=True, blank=True)
    cancel_requested_by = models.ForeignKey(
        settings.AUTH_USER_MODEL, null=True, blank=True, on_delete=models.PROTECT, related_name="cancelled_operations"
    )

    waiting_for = models.CharField(max_length=300, blank=True, help_text="Why it does not go on right now.")
    holder = models.CharField(max_length=120, blank=True)
    lease_until = models.DateTimeField(null=True, blank=True)
    fence = models.PositiveBigIntegerField(default=0)
    woken_at = models.DateTimeField(null=True, blank=True)
    retry_at = models.DateTimeField(null=True, blank=True)

    said = Joined(of=("title", "subject"))
    touched = Joined(of=("locks", "targets"))

    log_lines = models.PositiveBigIntegerField(default=0, help_text="Number of line ends plus one for an open last line.")
    log_bytes = models.PositiveBigIntegerField(default=0)
    settled = models.BooleanField(default=False, help_text="The runbook was told of the final state.")
    cleared_at = models.DateTimeField(null=True, blank=True, help_text="Nothing of it is left in the control directories of its targets.")

    SEEN_BY = "requester__username"
    objects: ClassVar[Limited[Self]] = Limited()

    class Meta:
        ordering = ["-id"]
        indexes = [
            # The sweeper: what should a worker be driving?
            models.Index(fields=["state", "retry_at"], name="operation_sweep"),
            # Lists filtered by runbook or by person, newest first.
            models.Index(fields=["runbook", "-id"], name="operation_runbook"),
            models.Index(fields=["requester", "-id"], name="operation_requester"),
            models.Index(fields=["state", "-id"], name="operation_state"),
            models.Index(fields=["runbook", "state", "-id"], name="operation_runbook_state"),
            models.Index(fields=["requester", "state", "-id"], name="operation_requester_state"),
            # A search reads this from its new end, and nothing else: rows are wide.
            models.Index(fields=["-id", "state", "runbook", "requester", "said", "touched"], name="operation_search"),
            # Lists between two days.
            models.Index(fields=["created_at"], name="operation_created"),
            # Whose control directories are still there?
            models.Index(fields=["ended_at"], condition=models.Q(cleared_at=None), name="operation_uncleared"),
            # The few that went past an approval.
            models.Index(fields=["-id"], condition=models.Q(break_glass=True), name="operation_glass"),
        ]

    def __str__(self) -> str:
        return f"#{self.pk} {self.title}"

    def get_absolute_url(self) -> str:
        return reverse("operation", args=[self.pk])

    @property
    def final(self) -> bool:
        return self.state in FINAL

    @property
    def book(self) -> Runbook[Any]:
        return registry.get(self.runbook)

    def parsed(self) -> Any:
        """The parameters as the runbook's own dataclass."""
        return self.book.parse(self.params)

    def frozen(self) -> plans.Plan:
        """The plan as it was approved."""
        return plans.from_json(self.plan)

    @property
    def planning(self) -> bool:
        """A worker still has to look at the newest parameters."""
        return self.state == OperationState.DRAFT and self.planned_revision < self.revision

    @property
    def blocked(self) -> bool:
        return any(finding["level"] == "block" for finding in self.findings)

    @property
    def approvals_due(self) -> int:
        """How many people have to approve it; of a draft, as its plan stands: one more for a dangerous one that goes against a block."""
        against = self.state == OperationState.DRAFT and self.risk == Risk.DANGEROUS.value and self.blocked
        return self.approvals_needed + int(against)


class Step(models.Model):
    """One step of an operation's frozen plan, and how it went. `index` counts from 0."""

    operation = models.ForeignKey(Operation, on_delete=models.CASCADE, related_name="steps")
    index = models.PositiveIntegerField()
    key = models.CharField(max_length=64)
    title = models.CharField(max_length=200)
    target = models.CharField(max_length=80)
    state = models.CharField(max_length=12, choices=StepState.choices, default=StepState.PENDING)
    message = models.TextField(blank=True)
    started_at = models.DateTimeField(null=True, blank=True)
    ended_at = models.DateTimeField(null=True, blank=True)
    exit_code = models.IntegerField(null=True, blank=True)
    first_line = models.PositiveBigIntegerField(null=True, blank=True)
    log_bytes = models.PositiveBigIntegerField(default=0)
    progress = models.JSONField(default=dict)
    checks = models.JSONField(default=list, help_text="Conditions that were asked: says, holds, why not.")

    class Meta:
        ordering = ["operation", "index"]
        constraints = [models.UniqueConstraint(fields=["operation", "index"], name="step_once")]
        # Expected durations: the last successes of the same step.
        indexes = [
            models.Index(fields=["key", "state", "-id"], name="step_history"),
            # What was done on one host.
            models.Index(fields=["target", "-operation"], name="step_target"),
        ]

    def __str__(self) -> str:
        return f"{self.operation_id}/{self.index} {self.title}"


class Attempt(models.Model):
    """One issue of a step's command: written before it is sent, completed after."""

    step = models.ForeignKey(Step, on_delete=models.CASCADE, related_name="attempts")
    number = models.PositiveIntegerField()
    fence = models.PositiveBigIntegerField()
    script_sha256 = models.CharField(max_length=64)
    log_base = models.PositiveBigIntegerField(default=0, help_text="Where this attempt's output begins within the step's.")
    boot_id = models.CharField(max_length=64, blank=True)
    acknowledged = models.BooleanField(default=False)
    exit_code = models.IntegerField(null=True, blank=True)
    verdict = models.CharField(max_length=200, blank=True)
    intended_at = models.DateTimeField(auto_now_add=True)
    ended_at = models.DateTimeField(null=True, blank=True)

    class Meta:
        ordering = ["step", "number"]
        constraints = [models.UniqueConstraint(fields=["step", "number"], name="attempt_once")]

    def __str__(self) -> str:
        return self.remote_key

    @property
    def remote_key(self) -> str:
        """The name of the control directory on the target."""
        return f"{self.step.index:03d}-{self.step.key}.{self.number}"


class FactReading(models.Model):
    """Every answer a planner was given, when, and for which operation."""

    operation = models.ForeignKey(Operation, on_delete=models.CASCADE, related_name="readings")
    key = models.TextField()
    value = models.JSONField(null=True)
    error = models.TextField(blank=True)
    revision = models.PositiveIntegerField(help_text="Of the draft that it was read for; 0 when it no longer counts.")
    pinned = models.BooleanField(default=False, help_text="The run uses this answer instead of asking again.")
    read_at = models.DateTimeField(auto_now_add=True)

    class Meta:
        ordering = ["id"]
        indexes = [models.Index(fields=["operation", "-id"], name="reading_operation")]

    def __str__(self) -> str:
        return self.key


class StoredFile(models.Model):
    """A small file that plans name by its content: in the database, so that every worker on every machine has it."""

    sha256 = models.CharField(max_length=64, primary_key=True)
    size = models.PositiveBigIntegerField()
    data = models.BinaryField()
    stored_at = models.DateTimeField(auto_now_add=True)

    def __str__(self) -> str:
        return self.sha256


class Approval(models.Model):
    """One person's decision on one digest."""

    class Decision(models.TextChoices):
        APPROVE = "approve", "Approved"
        REJECT = "reject", "Rejected"

    operation = models.ForeignKey(Operation, on_delete=models.CASCADE, related_name="approvals")
    person = models.ForeignKey(settings.AUTH_USER_MODEL, on_delete=models.PROTECT, related_name="approvals")
    decision = models.CharField(max_length=10, choices=Decision.choices)
    digest = models.CharField(max_length=64)
    comment = models.TextField(blank=True)
    decided_at = models.DateTimeField()
    expires_at = models.DateTimeField()
    revoked_at = models.DateTimeField(null=True, blank=True)
    used_at = models.DateTimeField(null=True, blank=True)

    class Meta:
        ordering = ["id"]
        # One person counts once, however often and from however many windows they click.
        constraints = [models.UniqueConstraint(fields=["operation", "person", "digest"], name="approval_once")]

    def __str__(self) -> str:
        return f"{self.person} {self.decision} {self.operation_id}"


class Acknowledgement(models.Model):
    """Somebody has read that an operation ran without an approval that it needed."""

    operation = models.ForeignKey(Operation, on_delete=models.CASCADE, related_name="acknowledgements")
    person = models.ForeignKey(settings.AUTH_USER_MODEL, on_delete=models.PROTECT, related_name="+")
    at = models.DateTimeField(auto_now_add=True)

    class Meta:
        ordering = ["id"]
        constraints = [models.UniqueConstraint(fields=["operation", "person"], name="acknowledged_once")]

    def __str__(self) -> str:
        return f"{self.person} {self.operation_id}"


class Lock(models.Model):
    """What one operation works on, until it ends. `resource` is "pool:UUID", "host:3", "workspace:17"."""

    resource = models.CharField(max_length=160, unique=True)
    operation = models.ForeignKey(Operation, on_delete=models.CASCADE, related_name="held_locks")
    since = models.DateTimeField()

    def __str__(self) -> str:
        return self.resource


class Restoration(models.Model):
    """A temporary change with its way back, written down before it was made."""

    class State(models.TextChoices):
        OPEN = "open", "Open"
        SETTLED = "settled", "Settled"

    operation = models.ForeignKey(Operation, on_delete=models.CASCADE, related_name="restorations")
    step = models.ForeignKey(Step, on_delete=models.CASCADE, related_name="restorations")
    key = models.CharField(max_length=64)
    resource = models.CharField(max_length=160)
    target = models.CharField(max_length=80)
    title = models.CharField(max_length=200)
    way_back = models.JSONField()
    state = models.CharField(max_length=10, choices=State.choices, default=State.OPEN)
    opened_at = models.DateTimeField(null=True, blank=True)
    settled_at = models.DateTimeField(null=True, blank=True)
    settled_by = models.CharField(max_length=200, blank=True)

    SEEN_BY = "operation__requester__username"
    objects: ClassVar[Limited[Self]] = Limited()

    class Meta:
        ordering = ["id"]
        indexes = [models.Index(fields=["state", "resource"], name="restoration_open")]

    def __str__(self) -> str:
        return self.title


class LogChunk(models.Model):
    """At most 64 KiB of one step's output. Full chunks are compressed.

    `offset` counts bytes within the step's output; `first_line` and `last_line` are numbers within the operation, from 0:
    the lines that the chunk's first and last byte belong to, where the byte after a line end already belongs to the next line.
    """

    operation = models.ForeignKey(Operation, on_delete=models.CASCADE, related_name="chunks")
    step = models.ForeignKey(Step, on_delete=models.CASCADE, related_name="chunks")
    offset = models.PositiveBigIntegerField()
    size = models.PositiveIntegerField()
    first_line = models.PositiveBigIntegerField()
    last_line = models.PositiveBigIntegerField()
    packed = models.BooleanField(default=False)
    data = models.BinaryField()

    class Meta:
        ordering = ["id"]
        constraints = [models.UniqueConstraint(fields=["step", "offset"], name="chunk_once")]
        # "Which chunk has line N?" is the first one whose last line is N or more.
        indexes = [models.Index(fields=["operation", "last_line"], name="chunk_line")]

    def __str__(self) -> str:
        return f"{self.step_id}@{self.offset}"

    def bytes(self) -> bytes:
        return zlib.decompress(self.data) if self.packed else bytes(self.data)


class AuditEntry(models.Model):
    """One line of the audit trail. Append-only; each carries the hash of the one before."""

    number = models.PositiveBigIntegerField(unique=True)
    at = models.DateTimeField()
    actor = models.CharField(max_length=150)
    action = models.CharField(max_length=80)
    operation = models.ForeignKey(Operation, null=True, blank=True, on_delete=models.PROTECT, related_name="audit")
    subject = models.CharField(max_length=300, blank=True)
    detail = models.JSONField(default=dict)
    alarming = models.BooleanField(default=False)
    previous = models.CharField(max_length=64)
    digest = models.CharField(max_length=64)

    class Meta:
        ordering = ["-number"]
        verbose_name_plural = "audit entries"
        indexes = [
            models.Index(fields=["action", "-number"], name="audit_action"),
            models.Index(fields=["-number"], condition=models.Q(alarming=True), name="audit_alarming"),
        ]

    def __str__(self) -> str:
        return f"{self.number} {self.actor} {self.action}"
