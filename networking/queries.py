"""Sets of networks for the pages."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from django.db.models import Q, QuerySet

from networking.models import HostNetwork

PAGE = 50
MOST = 500
"""Hosts that one page holds against each other or against a design."""


def networks(wanted: Mapping[str, Any]) -> QuerySet[HostNetwork]:
    """Hosts that have Open vSwitch, or whose network somebody asked for; `q` narrows by name, address or tag."""
    word = str(wanted.get("q", "")).strip()[:100].replace("\0", "")
    rows = HostNetwork.objects.select_related("host", "host__cloud", "host__pool").exclude(next_read_at=None, tried_at=None)
    if word:
        tag = Q(host__tags__icontains=f" {word} ")
        rows = rows.filter(Q(host__name__icontains=word) | Q(host__address__icontains=word) | tag)
    return rows.order_by("host__sort_name", "pk")


def switched(*, cloud: int | None = None, pool: int | None = None) -> list[HostNetwork]:
    """Hosts of a cloud or pool whose network was read, at most `MOST`."""
    rows = HostNetwork.objects.select_related("host", "host__cloud", "host__pool").exclude(seen_at=None)
    for name, value in (("host__cloud", cloud), ("host__pool", pool)):
        if value is not None:
            rows = rows.filter(**{name: value})
    return list(rows.order_by("host__sort_name", "pk")[:MOST])
