"""What is kept of a log that somebody follows. The text goes a day after the following ended: logs may hold secrets."""

from __future__ import annotations

import zlib

from django.conf import settings
from django.db import models
from django.urls import reverse
from django.utils import timezone


class LogList(models.Model):
    """Which logs of the allow-list a host has, as a worker found them. `found` are places, see `hosts.tails.places.Found`."""

    host = models.OneToOneField("hosts.Host", on_delete=models.CASCADE, related_name="log_list")
    asked_at = models.DateTimeField(default=timezone.now)
    read_at = models.DateTimeField(null=True, blank=True)
    found = models.JSONField(default=list)
    closed = models.JSONField(default=list, help_text="Folders that the login may not look into.")
    problem = models.TextField(blank=True)

    def __str__(self) -> str:
        return f"Logs of host {self.host_id}"

    @property
    def waiting(self) -> bool:
        """Somebody asked and no worker has answered yet."""
        return self.read_at is None or self.read_at < self.asked_at


class Tail(models.Model):
    """One log that is followed. `position` says where the next piece begins on the host, in the words of `hosts.tails.asking`.

    A worker claims it for one look: `claim` and `claimed_until`. What is stored and where to go on change in one transaction.
    """

    class State(models.TextChoices):
        FOLLOWING = "following", "Following"
        ENDED = "ended", "Ended"

    host = models.ForeignKey("hosts.Host", on_delete=models.CASCADE, related_name="tails")
    place = models.CharField(max_length=300, help_text="A path, or a unit of the journal as unit:NAME.")
    person = models.ForeignKey(settings.AUTH_USER_MODEL, on_delete=models.CASCADE, related_name="tails")
    state = models.CharField(max_length=10, choices=State.choices, default=State.FOLLOWING)
    outcome = models.TextField(blank=True, help_text="Why it ended.")
    problem = models.TextField(blank=True, help_text="Why nothing comes right now.")
    problem_at = models.DateTimeField(null=True, blank=True)
    position = models.JSONField(default=dict)
    log_bytes = models.PositiveBigIntegerField(default=0)
    log_lines = models.PositiveBigIntegerField(default=0)
    started_at = models.DateTimeField(default=timezone.now)
    seen_at = models.DateTimeField(default=timezone.now, help_text="When a browser last showed it, to within half a minute.")
    fetched_at = models.DateTimeField(null=True, blank=True)
    ended_at = models.DateTimeField(null=True, blank=True)
    next_at = models.DateTimeField(default=timezone.now)
    claim = models.CharField(max_length=32, blank=True)
    claimed_until = models.DateTimeField(null=True, blank=True)

    class Meta:
        ordering = ["-id"]
        indexes = [models.Index(fields=["state", "next_at"], name="tail_due")]
        constraints = [
            # Whoever else wants to see the same log joins.
            models.UniqueConstraint(fields=["host", "place"], condition=models.Q(state="following"), name="tail_once")
        ]

    def __str__(self) -> str:
        return f"{self.name} of {self.host}"

    def get_absolute_url(self) -> str:
        return reverse("tail", args=[self.pk])

    @property
    def unit(self) -> str:
        """The unit of the journal, or "" when it is a file."""
        return self.place.removeprefix("unit:") if self.place.startswith("unit:") else ""

    @property
    def name(self) -> str:
        """As people call it: the path, or the unit's journal."""
        return f"journal of {self.unit}" if self.unit else self.place

    @property
    def over(self) -> bool:
        return self.state == self.State.ENDED


class TailChunk(models.Model):
    """Whole lines, at most 64 KiB and one piece. `first_line` counts from 0 over the tail, `lines` are the line ends in it."""

    tail = models.ForeignKey(Tail, on_delete=models.CASCADE, related_name="chunks")
    first_line = models.PositiveBigIntegerField()
    lines = models.PositiveIntegerField()
    size = models.PositiveIntegerField()
    packed = models.BooleanField(default=False)
    data = models.BinaryField()

    class Meta:
        ordering = ["tail", "first_line"]
        constraints = [models.UniqueConstraint(fields=["tail", "first_line"], name="tail_chunk_once")]

    def __str__(self) -> str:
        return f"{self.tail_id}@{self.first_line}"

    def bytes(self) -> bytes:
        return zlib.decompress(self.data) if self.packed else bytes(self.data)
