"""How values from hosts look on a page."""

from __future__ import annotations

from collections.abc import Iterable

from django import template
from django.urls import reverse
from django.utils.html import format_html, format_html_join
from django.utils.safestring import SafeString, mark_safe

from hosts import rules
from hosts.models import Host
from opsportal.web.templatetags.portal import icon

register = template.Library()


@register.filter
def seen(value: object) -> str:
    """Text that a host gave: invisible characters made visible, cut at 200. Escaped by the template like everything."""
    return rules.shown(str(value if value is not None else ""))


@register.filter
def kib(value: int) -> str:
    """A size in KiB, in the unit a person would say."""
    size, units = float(value), ["KiB", "MiB", "GiB", "TiB"]
    while size >= 1024 and len(units) > 1:
        size, units = size / 1024, units[1:]
    return f"{size:.0f} {units[0]}" if size >= 10 or units[0] == "KiB" else f"{size:.1f} {units[0]}"


@register.simple_tag
def contact(host: Host) -> SafeString:
    """How the last attempt to talk to a host ended. A tag and no template: a list has fifty of them."""
    sign = icon(host.sign)
    words = host.get_contact_display()
    return format_html('<span class="state {}" title="{}">{} {}</span>', host.tone, rules.shown(host.contact_message), sign, words)


@register.simple_tag
def chips(host: Host) -> SafeString:
    """Its tags, each leading to the hosts that have it too."""
    url = reverse("hosts")
    return format_html_join(" ", '<a class="chip" href="{}?tag={}">{}</a>', ((url, tag, tag) for tag in host.tag_list))


@register.simple_tag
def options(choices: Iterable[tuple[object, str]], chosen: str) -> SafeString:
    """The <option>s of a filter, "all" first."""
    rows = ((value, mark_safe(" selected") if str(value) == chosen else "", label) for value, label in choices)
    return format_html('<option value="">all</option>{}', format_html_join("", '<option value="{}"{}>{}</option>', rows))


_SERVICE_LOOKS = {"active": ("ok", "circle-check"), "failed": ("bad", "circle-x"), "inactive": ("warn", "circle-pause")}


@register.simple_tag
def service_state(state: str) -> SafeString:
    """A service's state in systemd's words, with a shape for those that matter."""
    if state not in _SERVICE_LOOKS:
        return format_html('<span class="muted">{}</span>', rules.shown(state, 30))
    return _state(*_SERVICE_LOOKS[state], state)


@register.simple_tag
def link_state(up: bool) -> SafeString:
    return _state("ok", "circle-check", "up") if up else _state("", "circle-off", "down")


def _state(tone: str, sign: str, words: str) -> SafeString:
    return format_html('<span class="state {}">{} {}</span>', tone, icon(sign), words)
