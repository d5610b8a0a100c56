"""What was last seen of a host's network."""

from __future__ import annotations

from datetime import timedelta
from typing import ClassVar, Self

from django.db import models
from django.db.models.functions import Lower
from django.urls import reverse
from django.utils import timezone

from hosts.models import Cloud, Host
from networking import rules
from networking.design import Design
from networking.seen import Seen
from opsportal.web.sight import Limited


class HostNetwork(models.Model):
    """One for each host that somebody or the schedule looked at. Without `next_read_at` only people ask for a reading."""

    host = models.OneToOneField(Host, on_delete=models.CASCADE, related_name="network")
    seen = models.JSONField(default=dict, blank=True, help_text="The newest good reading, see networking.seen.")
    seen_at = models.DateTimeField(null=True, blank=True)
    problem = models.TextField(blank=True, help_text="Why the last attempt gave no reading; empty after a good one.")
    tried_at = models.DateTimeField(null=True, blank=True)
    next_read_at = models.DateTimeField(null=True, blank=True)
    claim = models.CharField(max_length=32, blank=True, help_text="Which slice of a worker is reading it now.")

    SEEN_BY = "host__cloud__name"
    objects: ClassVar[Limited[Self]] = Limited()

    class Meta:
        ordering = ["host__sort_name", "pk"]
        indexes = [models.Index(fields=["next_read_at"], name="network_due"), models.Index(fields=["claim"], name="network_claim")]

    def __str__(self) -> str:
        return str(self.host)

    def get_absolute_url(self) -> str:
        return reverse("network", args=[self.host_id])

    @property
    def newest(self) -> Seen | None:
        """The newest reading as a value; None before the first, and for one that an older portal wrote in another shape."""
        return Seen.load(self.seen)

    @property
    def reading(self) -> bool:
        """It is due or a worker has it."""
        return bool(self.claim) or (self.next_read_at is not None and self.next_read_at <= timezone.now())

    @property
    def stale(self) -> bool:
        return self.seen_at is not None and self.seen_at < timezone.now() - timedelta(hours=1)


class NetworkDesign(models.Model):
    """How the network of alike hypervisors shall be, under a name. Without a cloud it is for all of them."""

    name = models.CharField(max_length=64, validators=[rules.label])
    cloud = models.ForeignKey(Cloud, null=True, blank=True, on_delete=models.CASCADE, related_name="network_designs")
    note = models.TextField(blank=True, max_length=2000)
    wanted = models.JSONField(default=dict, help_text="See networking.design.")
    changed_at = models.DateTimeField(auto_now=True)

    SEEN_BY = "cloud__name"
    objects: ClassVar[Limited[Self]] = Limited()

    class Meta:
        ordering = ["name"]
        constraints = [
            models.UniqueConstraint(Lower("name"), name="network_design_once", violation_error_message="There is a design of this name.")
        ]

    def __str__(self) -> str:
        return self.name

    def get_absolute_url(self) -> str:
        return reverse("network_design", args=[self.pk])

    @property
    def design(self) -> Design | None:
        """None for one that an older portal wrote in another shape."""
        return Design.load(self.wanted)
