"""Small files that plans name by their SHA-256."""

from __future__ import annotations

import hashlib
import zlib

from opsportal.operations.models import StoredFile


def put(data: bytes) -> str:
    """Keep it; the answer names it."""
    sha256 = hashlib.sha256(data).hexdigest()
    StoredFile.objects.get_or_create(sha256=sha256, defaults={"size": len(data), "data": zlib.compress(data)})
    return sha256


def get(sha256: str) -> bytes:
    """Raises `StoredFile.DoesNotExist`."""
    return zlib.decompress(StoredFile.objects.get(pk=sha256).data)
