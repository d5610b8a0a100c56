"""Repositories: what their channels hold, their keys and passwords, and the files that package managers fetch."""

from __future__ import annotations

import base64
import binascii
import hashlib
import hmac
import os
import re
from email.utils import parsedate_to_datetime
from pathlib import Path
from typing import Any, BinaryIO

from django.contrib import messages
from django.contrib.auth.decorators import login_not_required
from django.db import transaction
from django.http import Http404, HttpRequest, HttpResponse, HttpResponseBase, HttpResponseNotModified
from django.shortcuts import get_object_or_404, redirect, render
from django.urls import reverse
from django.utils.http import http_date
from django.views.decorators.debug import sensitive_post_parameters
from django.views.decorators.http import require_http_methods, require_POST, require_safe

from opsportal.operations import audit
from opsportal.operations.errors import Refused
from opsportal.operations.models import Operation
from opsportal.web.access import PortalRequest, administrator, has_role, viewer
from releases import downloading, publishing, signing
from releases.forms import KeyForm, RepositoryForm
from releases.models import Repository
from releases.publishing import CHANNELS, Channel

PART = re.compile(r"[A-Za-z0-9][A-Za-z0-9._+~%:-]*")
TYPES = {".rpm": "application/x-rpm", ".deb": "application/vnd.debian.binary-package", ".gz": "application/gzip", ".xml": "application/xml"}
BOOKS = ("publish-build", "promote-build", "withdraw-build")


@viewer
@require_safe
def repositories(request: PortalRequest) -> HttpResponse:
    rows = [(row, [_channel(row, name) for name in CHANNELS]) for row in Repository.objects.all()]
    return render(request, "releases/repositories.html", {"rows": rows, "may_change": has_role(request.user, "administrator")})


def _channel(row: Repository, name: str) -> dict[str, Any]:
    """What it holds, newest first; `problem` when its folder cannot be read."""
    try:
        found, problem = publishing.current(row.slug, name), ""
    except (OSError, ValueError) as error:
        found, problem = Channel(name), f"Its folder cannot be read: {error}"
    return {"name": name, "builds": list(reversed(found.builds)), "generation": found.generation, "problem": problem}


@viewer
@require_safe
def repository(request: PortalRequest, pk: int) -> HttpResponse:
    row = get_object_or_404(Repository.objects.select_related("created_by"), pk=pk)
    look = {
        "repository": row,
        "channels": [_channel(row, name) for name in CHANNELS],
        "base": request.build_absolute_uri(reverse("repository_file", args=[row.slug, "-", "-"])).removesuffix("/-/-"),
        "operations": Operation.objects.filter(runbook__in=BOOKS, params__repository=pk).defer("plan", "looks", "findings")[:10],
        "password": request.session.pop(f"repository-{pk}", ""),
        "may_change": has_role(request.user, "administrator"),
        "may_publish": has_role(request.user, "operator"),
        "key_form": KeyForm(),
    }
    return render(request, "releases/repository.html", look)


@administrator
@require_http_methods(["GET", "HEAD", "POST"])
def repository_new(request: PortalRequest) -> HttpResponse:
    form = RepositoryForm(request.POST or None)
    if not (form.is_bound and form.is_valid()):
        return render(request, "releases/repository_form.html", {"form": form}, status=422 if form.errors else 200)
    row = form.save(commit=False)
    row.created_by = request.user
    with transaction.atomic():
        row.save()
        audit.record(request.user, "repository.new", subject=row.name, detail={"access": row.access})
    messages.success(request, f"{row} is there. Give it a key now: nothing is published without one.")
    return redirect(row)


@administrator
@require_http_methods(["GET", "HEAD", "POST"])
def repository_edit(request: PortalRequest, pk: int) -> HttpResponse:
    row = get_object_or_404(Repository, pk=pk)
    form = RepositoryForm(request.POST or None, instance=row)
    if not (form.is_bound and form.is_valid()):
        look = {"form": form, "repository": get_object_or_404(Repository, pk=pk)}
        return render(request, "releases/repository_form.html", look, status=422 if form.errors else 200)
    with transaction.atomic():
        form.save()
        audit.record(request.user, "repository.edit", subject=row.name, detail={"access": row.access})
    return redirect(row)


@sensitive_post_parameters("private")
@administrator
@require_POST
def repository_key(request: PortalRequest, pk: int) -> HttpResponse:
    """Makes a key, or takes the one that is pasted."""
    row = get_object_or_404(Repository, pk=pk)
    pasted = request.POST.get("private", "").strip()
    try:
        signing.give(row, signing.read(pasted) if pasted else signing.make(f"{row.name} packages"), request.user)
        messages.success(request, "The key is there. What is published from now on is signed with it; servers need its public half.")
    except (signing.BadKey, Refused) as error:
        messages.error(request, str(getattr(error, "message", error)))
    return redirect(row)


@administrator
@require_POST
def repository_password(request: PortalRequest, pk: int) -> HttpResponse:
    """A new password for servers; the old one stops to work. It is shown once."""
    row = get_object_or_404(Repository, pk=pk)
    password = signing.new_password()
    with transaction.atomic():
        Repository.objects.filter(pk=pk).update(token=_digest(password))
        audit.record(request.user, "repository.password", subject=row.name, detail={})
    request.session[f"repository-{pk}"] = password
    return redirect(row)


@administrator
@require_http_methods(["GET", "HEAD", "POST"])
def repository_remove(request: PortalRequest, pk: int) -> HttpResponse:
    """GET asks. Only an empty one can be removed: servers would fail at their next update."""
    row = get_object_or_404(Repository, pk=pk)
    full = [one for one in (_channel(row, name) for name in CHANNELS) if one["builds"] or one["problem"]]
    if request.method != "POST" or full:
        return render(request, "releases/repository_remove.html", {"repository": row, "full": full}, status=422 if full else 200)
    with transaction.atomic():
        audit.record(request.user, "repository.remove", subject=row.name, detail={"fingerprint": row.fingerprint}, alarming=True)
        row.delete()
    messages.success(request, f"{row.name} is gone, and so is its key.")
    return redirect("repositories")


# What package managers fetch.


def _digest(password: str) -> str:
    return hashlib.sha256(password.encode()).hexdigest()


@login_not_required
@require_safe
def repository_file(request: HttpRequest, slug: str, channel: str, path: str) -> HttpResponseBase:
    """A file of a channel: for whoever the repository is open to, logged in or not."""
    row = Repository.objects.filter(slug=slug).first()
    if row is None or row.access == Repository.Access.OFF or channel not in CHANNELS:
        raise Http404("No such file in a repository.")
    if row.access == Repository.Access.TOKEN and not _knows(request, row):
        return HttpResponse(
            "The password of this repository is needed.\n", status=401, headers={"WWW-Authenticate": 'Basic realm="packages"'}
        )
    return _served(request, publishing.root(slug) / channel, path)


def _knows(request: HttpRequest, row: Repository) -> bool:
    kind, _, given = request.headers.get("Authorization", "").partition(" ")
    try:
        _, _, password = base64.b64decode(given, validate=True).decode().partition(":")
    except (binascii.Error, UnicodeDecodeError):
        return False
    return kind.lower() == "basic" and bool(row.token) and hmac.compare_digest(_digest(password), row.token)


def _served(request: HttpRequest, channel: Path, path: str) -> HttpResponseBase:
    """One generation for the whole request. Neither a link nor a name leads out of it."""
    parts = path.split("/")
    if not all(PART.fullmatch(part) and ".." not in part for part in parts) or parts[0] not in ("deb", "rpm", "key.asc"):
        raise Http404("No such file in a repository.")
    try:
        file = _open(channel.resolve(strict=True), parts)
    except OSError:
        raise Http404("No such file in a repository.") from None
    found = os.fstat(file.fileno())
    if _unchanged(request, int(found.st_mtime)):
        file.close()
        return HttpResponseNotModified()
    kind = TYPES.get(Path(path).suffix, "text/plain; charset=utf-8" if not Path(path).suffix else "application/octet-stream")
    response = downloading.answer(request, lambda: file, found.st_size, f'"{found.st_mtime_ns:x}-{found.st_size:x}"', kind)
    if response.status_code not in (200, 206):
        file.close()
    response["Last-Modified"] = http_date(found.st_mtime)
    response["Cache-Control"] = "no-cache"
    return response


def _unchanged(request: HttpRequest, changed: int) -> bool:
    try:
        return changed <= parsedate_to_datetime(request.headers.get("If-Modified-Since", "")).timestamp()
    except (TypeError, ValueError):
        return False


def _open(folder: Path, parts: list[str]) -> BinaryIO:
    """Step by step from the folder, never through a link. Raises OSError."""
    flags = os.O_RDONLY | os.O_NOFOLLOW | os.O_CLOEXEC
    place = os.open(folder, flags | os.O_DIRECTORY)
    try:
        for part in parts[:-1]:
            place, before = os.open(part, flags | os.O_DIRECTORY, dir_fd=place), place
            os.close(before)
        file = os.fdopen(os.open(parts[-1], flags, dir_fd=place), "rb")
    finally:
        os.close(place)
    return file
