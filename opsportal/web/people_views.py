"""Pages about people, for administrators. What changes a person asks for the password again."""

from __future__ import annotations

from collections.abc import Callable

from django.contrib import messages
from django.contrib.auth.models import User
from django.core.paginator import Paginator
from django.http import HttpResponse
from django.shortcuts import get_object_or_404, redirect, render
from django.views.decorators.http import require_POST, require_safe

from opsportal.operations.errors import Refused
from opsportal.web import fresh, people
from opsportal.web.access import ROLES, PortalRequest, administrator
from opsportal.web.people_forms import NameForm, PersonForm, RolesForm

PAGE = 50


def _person(pk: int) -> User:
    return get_object_or_404(User.objects.prefetch_related("groups"), pk=pk)


@administrator
@require_safe
def people_list(request: PortalRequest) -> HttpResponse:
    words = request.GET.get("q", "").strip()[:150]
    page = Paginator(people.listing(words), PAGE).get_page(request.GET.get("page"))
    sessions = people.sessions()
    rows = [(user, _roles(user), sessions[str(user.pk)]) for user in page]
    return render(request, "web/people.html", {"rows": rows, "page": page, "words": words})


def _roles(user: User) -> list[str]:
    held = {group.name for group in user.groups.all()}
    return [role for role in ROLES if role in held]


@administrator
@fresh.required
def person_new(request: PortalRequest) -> HttpResponse:
    form = PersonForm(request.POST or None)
    if request.method == "POST" and form.is_valid():
        given = form.cleaned_data
        user, password = people.add(given["username"], given["full_name"], given["roles"], by=request.user)
        return render(request, "web/person_password.html", {"person": user, "password": password, "added": True})
    return render(request, "web/person_new.html", {"form": form}, status=422 if form.errors else 200)


@administrator
@require_safe
def person(request: PortalRequest, pk: int) -> HttpResponse:
    return render(request, "web/person.html", _look(_person(pk)))


def _look(user: User) -> dict[str, object]:
    return {
        "person": user,
        "held": _roles(user),
        "form": RolesForm(initial={"roles": _roles(user)}),
        "name_form": NameForm(initial={"full_name": user.first_name}),
        "sessions": people.sessions()[str(user.pk)],
        "operations": user.operations.order_by("-id").only("title", "state", "created_at")[:10],
    }


@administrator
@require_POST
@fresh.required
def person_roles(request: PortalRequest, pk: int) -> HttpResponse:
    user, form = _person(pk), RolesForm(request.POST)
    if not form.is_valid():
        return render(request, "web/person.html", _look(user) | {"form": form}, status=422)
    return _do(request, user, lambda: people.set_roles(user, form.cleaned_data["roles"], by=request.user), "The roles are changed.")


@administrator
@require_POST
def person_rename(request: PortalRequest, pk: int) -> HttpResponse:
    user, form = _person(pk), NameForm(request.POST)
    if not form.is_valid():
        return render(request, "web/person.html", _look(user) | {"name_form": form}, status=422)
    return _do(request, user, lambda: people.rename(user, form.cleaned_data["full_name"], by=request.user), "The name is changed.")


@administrator
@require_POST
@fresh.required
def person_deactivate(request: PortalRequest, pk: int) -> HttpResponse:
    user = _person(pk)
    return _do(request, user, lambda: people.deactivate(user, by=request.user), f"{user} cannot sign in any more.")


@administrator
@require_POST
@fresh.required
def person_activate(request: PortalRequest, pk: int) -> HttpResponse:
    user = _person(pk)
    return _do(request, user, lambda: people.activate(user, by=request.user), f"{user} can sign in again, with the roles shown here.")


@administrator
@require_POST
def person_sign_out(request: PortalRequest, pk: int) -> HttpResponse:
    user = _person(pk)
    return _do(request, user, lambda: people.end_sessions(user, by=request.user), f"{user} is signed out everywhere.")


def _do(request: PortalRequest, user: User, act: Callable[[], object], done: str) -> HttpResponse:
    try:
        act()
    except Refused as refused:
        messages.error(request, refused.message)
    else:
        messages.success(request, done)
    return redirect("person", user.pk)


@administrator
@require_POST
@fresh.required
def person_reset(request: PortalRequest, pk: int) -> HttpResponse:
    """The answer is the only page that ever shows the password, so there is no redirect."""
    user = _person(pk)
    try:
        password = people.reset_password(user, by=request.user)
    except Refused as refused:
        messages.error(request, refused.message)
        return redirect("person", user.pk)
    return render(request, "web/person_password.html", {"person": user, "password": password, "added": False})
