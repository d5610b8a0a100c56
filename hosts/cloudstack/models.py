"""The connection to a cloud's CloudStack, with the newest reading."""

from __future__ import annotations

from typing import ClassVar, Self

from django.conf import settings
from django.db import models
from django.urls import reverse
from django.utils import timezone

from opsportal.web.sight import Limited


class CloudApi(models.Model):
    """One to one with its cloud. The secret key is sealed; commands of the portal open it from a file of their own, see `connecting`."""

    cloud = models.OneToOneField("hosts.Cloud", on_delete=models.CASCADE, related_name="api")
    url = models.CharField(max_length=300)
    api_key = models.CharField(max_length=200)
    secret = models.TextField(editable=False, help_text="Encrypted by the portal's keyring; never shown.")
    pem = models.TextField(blank=True, editable=False, help_text="The certificate that a person compared; empty to trust the authorities.")
    offered = models.TextField(blank=True, editable=False, help_text="The certificate that was shown instead of a trusted one, as PEM.")
    saved_at = models.DateTimeField(default=timezone.now, editable=False)
    saved_by = models.ForeignKey(settings.AUTH_USER_MODEL, null=True, on_delete=models.PROTECT, related_name="+", editable=False)

    state = models.JSONField(default=dict, editable=False, help_text="The newest good reading, see hosts.cloudstack.state.")
    state_at = models.DateTimeField(null=True, editable=False)
    problem = models.TextField(blank=True, editable=False, help_text="Why the last attempt gave no reading; empty after a good one.")
    problem_at = models.DateTimeField(null=True, editable=False)
    next_read_at = models.DateTimeField(default=timezone.now, editable=False)
    claim = models.CharField(max_length=32, blank=True, editable=False, help_text="Which slice of a worker is reading it now.")

    SEEN_BY = "cloud__name"
    objects: ClassVar[Limited[Self]] = Limited()

    class Meta:
        ordering = ["cloud__name"]
        indexes = [models.Index(fields=["next_read_at"], name="cloud_api_due")]

    def __str__(self) -> str:
        return f"CloudStack of {self.cloud}"

    def get_absolute_url(self) -> str:
        return reverse("cloud_api", args=[self.cloud_id])

    @property
    def secure(self) -> bool:
        return self.url.startswith("https:")

    @property
    def reading(self) -> bool:
        """It is due or a worker has it."""
        return bool(self.claim) or self.next_read_at <= timezone.now()
