"""What the portal knows about a person beyond Django's user."""

from __future__ import annotations

from django.conf import settings
from django.db import models


class Account(models.Model):
    """Made with the first initial password; without one, nothing is asked of the person."""

    user = models.OneToOneField(settings.AUTH_USER_MODEL, on_delete=models.CASCADE, primary_key=True, related_name="account")
    must_change_password = models.BooleanField(default=False)

    def __str__(self) -> str:
        return str(self.user)
