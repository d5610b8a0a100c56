"""What CloudStack says, on pages of hosts and pools."""

from __future__ import annotations

from django import template

from hosts.cloudstack import listing
from hosts.cloudstack.listing import Says
from hosts.models import Host, Pool

register = template.Library()


@register.simple_tag
def cloudstack_of(thing: Host | Pool) -> Says | None:
    """For `hosts/_cloud_says.html`; None where there is no connection."""
    return listing.of_host(thing) if isinstance(thing, Host) else listing.of_pool(thing)
