"""What a person may type about a source or a build: positive rules, whole-text matches, ASCII unless it is free text.

Branch, version and URL rules were tried against lists of hostile input; the reasons stand in the messages.
"""

from __future__ import annotations

import itertools
import re
from datetime import datetime
from urllib.parse import SplitResult, urlsplit

from croniter import CroniterError, croniter
from django.conf import settings
from django.core.exceptions import ValidationError

LABEL = re.compile(r"[A-Za-z0-9](?:[A-Za-z0-9._()#+-]| (?! )){0,62}[A-Za-z0-9._()#+-]|[A-Za-z0-9]")
BRANCH = re.compile(r"[A-Za-z0-9][A-Za-z0-9._/+-]{0,199}")
HEX = re.compile(r"[0-9a-f]{40}|[0-9a-f]{64}")
SEGMENT = r"[A-Za-z0-9][A-Za-z0-9._-]*"
PATH = re.compile(rf"(?:/{SEGMENT})+")
SCP = re.compile(rf"git@([A-Za-z0-9.-]+):({SEGMENT}(?:/{SEGMENT})*)")
VERSION = re.compile(r"((?:0|[1-9][0-9]{0,4})(?:\.(?:0|[1-9][0-9]{0,4})){2,3})(-[0-9A-Za-z]+(?:[.-][0-9A-Za-z]+)*)?")
BRAND = re.compile(r"[A-Za-z][A-Za-z0-9]{0,31}")
NUMBER = re.compile(r"[1-9][0-9]{0,8}")
ARGUMENT = re.compile(r"-[A-Za-z][A-Za-z0-9._=,:/+-]*")
PROFILE = re.compile(r"!?[A-Za-z][A-Za-z0-9._-]{0,63}")
_FORBIDDEN = re.compile("[\u0000-\u0008\u000b-\u001f\u007f-\u009f\u202a-\u202e\u2066-\u2069\u2028\u2029\ud800-\udfff]")


def label(value: str) -> None:
    if ".." in value or not LABEL.fullmatch(value):
        raise ValidationError("Use at most 64 letters, digits, single blanks and . _ ( ) # + - here, starting with a letter or a digit.")


def slug(value: str) -> None:
    if not re.fullmatch(r"[a-z0-9](?:[a-z0-9-]{0,38}[a-z0-9])?", value):
        raise ValidationError("At most 40 small letters, digits and dashes, starting and ending with a letter or digit.")


def free_text(value: str) -> None:
    if len(value) > 2000 or _FORBIDDEN.search(value.replace("\r\n", "\n")):
        raise ValidationError("At most 2,000 letters, and no control characters that cannot be seen.")


def branch(value: str) -> None:
    """A branch or tag as people write it, never an option, a revision expression or a full ref."""
    parts = value.split("/")
    bad_part = any(not part or part.startswith((".", "-")) or part.endswith(".lock") for part in parts)
    if not BRANCH.fullmatch(value) or bad_part or ".." in value or value.endswith(".") or value == "HEAD" or value.startswith("refs/"):
        raise ValidationError("This is not the name of a branch or tag: letters, digits and . _ / + -, starting with a letter or digit.")
    if HEX.fullmatch(value):
        raise ValidationError("This looks like a commit. Give the branch or tag that it is on.")


def git_url(value: str) -> None:
    """https, or ssh as git, to an allowed host; nothing that git could take for an option, a helper or a local path."""
    if "::" in value or value.startswith("-"):
        raise ValidationError(
            "A Git address starts with https:// or git@ here. Helpers such as ext:: and options are refused: they run commands."
        )
    if match := SCP.fullmatch(value):
        _allowed_host(match[1], value)
        return
    parts = _split(value)
    plain = parts.scheme == "https" or f"{parts.scheme}://{parts.netloc}" in settings.GIT_HOSTS
    ssh = parts.scheme == "ssh" and parts.username == "git" and parts.password is None and parts.port is None
    if not (plain or ssh) or not PATH.fullmatch(parts.path) or parts.query or parts.fragment:
        raise ValidationError("Give the address as https://HOST/PATH or git@HOST:PATH, without user, password, ? or #.")
    _allowed_host(parts.hostname or "" if ssh else parts.netloc, value)


def web_url(value: str) -> None:
    """Where pull requests are looked at and their patches fetched."""
    parts = _split(value)
    base = f"{parts.scheme}://{parts.netloc}"
    if (parts.scheme != "https" and base not in settings.GIT_HOSTS) or not PATH.fullmatch(parts.path) or parts.query or parts.fragment:
        raise ValidationError("Give the address as https://HOST/PATH, such as https://github.com/apache/cloudstack/pull.")
    _allowed_host(parts.netloc, value)


def _split(value: str) -> SplitResult:
    try:
        parts = urlsplit(value)
        parts.port  # noqa: B018 - raises for a port that is no number
    except ValueError:
        raise ValidationError("This is not an address.") from None
    if not value.isascii() or any(letter.isspace() for letter in value):
        raise ValidationError("An address has no blanks and only ASCII letters.")
    return parts


def _allowed_host(host: str, value: str) -> None:
    scheme = urlsplit(value).scheme
    if host in settings.GIT_HOSTS or f"{scheme}://{host}" in settings.GIT_HOSTS:
        return
    raise ValidationError(f"{host} is not on the list of allowed hosts. An administrator adds it to OPSPORTAL_GIT_HOSTS.")


def brand(value: str) -> None:
    if not BRAND.fullmatch(value):
        raise ValidationError("A brand is one word of letters and digits, starting with a letter.")


def version(value: str) -> None:
    """Three or four numbers and an optional suffix, as CloudStack's own CloudStackVersion takes them."""
    if not VERSION.fullmatch(value):
        raise ValidationError(
            "A version is three or four numbers with dots, such as 4.8.0.16, and may end in -NAME. No v, no letters between."
        )


def profiles(value: str) -> None:
    if any(not PROFILE.fullmatch(word) for word in value.replace(",", " ").split()):
        raise ValidationError("Profiles are names separated by blanks or commas, such as: systemvm developer.")


def arguments(value: str) -> None:
    """Extra Maven arguments: options only. What would run another project or log secrets is Maven's own business; it runs fenced."""
    if bad := [word for word in value.split() if not ARGUMENT.fullmatch(word)]:
        raise ValidationError(f"{bad[0]!r} is not an option: each word starts with a dash, such as -Dnoredist. Quotes are not needed.")


def cron(value: str) -> None:
    """Five fields of numbers, not more often than every five minutes."""
    fields = value.split(" ")
    if len(fields) != 5 or not all(re.fullmatch(r"[0-9*/,-]+", field) for field in fields):
        raise ValidationError(
            "Five fields separated by single blanks: minute hour day month weekday, such as 0 2 * * * for two at night (UTC)."
        )
    try:
        schedule = croniter(value, datetime(2026, 1, 1))
        times = [schedule.get_next(float) for _ in range(60)]
    except (CroniterError, ValueError, KeyError):
        raise ValidationError("This schedule cannot be understood, or never comes. Example: 0 2 * * 1-5.") from None
    if min(later - earlier for earlier, later in itertools.pairwise(times)) < 300:
        raise ValidationError("A build more often than every five minutes is not a nightly build.")
