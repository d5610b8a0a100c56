"""The network of a whole cloud or pool: tunnels between its hosts, and what differs between hosts that should be alike."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from django.http import HttpResponse
from django.shortcuts import get_object_or_404, render
from django.views.decorators.http import require_safe

from hosts.models import Cloud, Pool
from networking import queries, together, together_pictures
from networking.models import HostNetwork
from networking.together import Difference, Member
from opsportal.web.access import PortalRequest, has_role, viewer


@dataclass(frozen=True)
class Group:
    """Hosts that should be alike: those of a pool. `things` were compared."""

    name: str
    pool: int | None
    members: tuple[Member, ...]
    differences: tuple[Difference, ...]
    things: int


@viewer
@require_safe
def network_cloud(request: PortalRequest, pk: int) -> HttpResponse:
    cloud = get_object_or_404(Cloud, pk=pk)
    return _shown(request, queries.switched(cloud=cloud.pk), {"cloud": cloud, "place": cloud})


@viewer
@require_safe
def network_pool(request: PortalRequest, pk: int) -> HttpResponse:
    pool = get_object_or_404(Pool.objects.select_related("cloud"), pk=pk)
    return _shown(request, queries.switched(pool=pool.pk), {"cloud": pool.cloud, "pool": pool, "place": pool})


def _shown(request: PortalRequest, networks: list[HostNetwork], look: dict[str, Any]) -> HttpResponse:
    read = [(network, seen) for network in networks if (seen := network.newest)]
    members = [Member(network.host_id, network.host.name, seen) for network, seen in read]
    found = together.tunnels(members)
    look |= {
        "groups": _groups([(network, Member(network.host_id, network.host.name, seen)) for network, seen in read]),
        "members": members,
        "tunnels": sorted(found, key=lambda one: (not one.trouble, one.here, one.there)),
        "map": together_pictures.draw(found, {member.name: member.pk for member in members}) if found else None,
        "oldest": min((network.seen_at for network, _ in read if network.seen_at), default=None),
        "limit": queries.MOST if len(networks) == queries.MOST else 0,
        "may_write": has_role(request.user, "operator"),
    }
    return render(request, "networking/together.html", look)


def _groups(rows: list[tuple[HostNetwork, Member]]) -> list[Group]:
    """By pool; hosts in none are not alike."""
    by_pool: dict[tuple[str, int | None], list[Member]] = {}
    for network, member in rows:
        pool = network.host.pool
        by_pool.setdefault((pool.name if pool else "", pool.pk if pool else None), []).append(member)
    return [
        Group(name, pool, tuple(members), tuple(together.differences(members)), together.alike(members))
        for (name, pool), members in sorted(by_pool.items(), key=lambda item: (item[0][1] is None, item[0][0]))
        if pool is not None
    ]
