"""Putting secrets away and taking them out again: the only module that sees both a credential and the keyring."""

from __future__ import annotations

from django.conf import settings
from django.contrib.auth.models import User
from django.db import transaction
from django.utils import timezone

from hosts.models import Credential
from opsportal.operations import audit
from opsportal.operations.errors import Refused
from opsportal.secrets import ssh_keys
from opsportal.secrets.store import Keyring
from opsportal.secrets.value import Secret
