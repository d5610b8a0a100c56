"""Answers on the wizard's pages: forms over a draft, keeping what was typed, and noticing when two windows change the same draft."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterable, Mapping
from contextlib import suppress
from dataclasses import dataclass
from typing import Any, cast, get_type_hints

from django import forms
from django.contrib.auth.models import User
from django.db import models, transaction
from django.http import QueryDict
from pydantic import TypeAdapter, ValidationError

from opsportal.operations import planning
from opsportal.operations.models import Operation
from opsportal.operations.plan import canonical
from opsportal.operations.runbook import Page, Runbook

SEEN = "portal-seen"
"""Hidden field: what the window that sends the form knows of the draft."""

OVER = "portal-over"
"""Hidden field: the person read what differs and wants this window's answers."""


def page_of(operation: Operation, slug: str) -> Page | None:
    return next((page for page in operation.book.pages if page.slug == slug), None)


def form_of(operation: Operation, page: Page, data: QueryDict | None = None) -> forms.Form:
    """The page's form over the draft: with `data`, or with what was typed and is not valid yet, or with the answers so far."""
    if data is None and (typed := operation.typed.get(page.slug)):
        data = _as_post(typed)
    form = page.form(data, initial=operation.params)
    look = getattr(form, "look", None)
    if callable(look):
        look(found(operation, page.slug))
    return form


def found(operation: Operation, slug: str) -> dict[str, Any]:
    """What the runbook's `look` gave for a page; {} while it was not read."""
    return cast(dict[str, Any], operation.looks.get(slug) or {})


def _as_post(typed: Mapping[str, list[str]]) -> QueryDict:
    data = QueryDict(mutable=True)
    for name, texts in typed.items():
        data.setlist(name, texts)
    return data


def typed_in(form: forms.Form, data: QueryDict) -> dict[str, list[str]]:
    """What was typed, for the fields of this form only; at most 100,000 characters a field."""
    names = [form.add_prefix(name) for name in form.fields]
    own = {key: data.getlist(key) for key in data if key in names or any(key.startswith((f"{name}_", f"{name}-")) for name in names)}
    return {key: [text[:100_000] for text in texts] for key, texts in own.items()}


def quiet(form: forms.BaseForm) -> None:
    """While somebody is still filling it in, an empty field is not an error yet."""
    for name in list(form.errors):
        left = [error for error in form.errors.as_data()[name] if error.code != "required"]
        if not left:
            del form.errors[name]


@dataclass(frozen=True)
class Difference:
    """One answer that another window changed: as stored now, and as this window has it ("" when it is on another page)."""

    label: str
    stored: str
    typed: str = ""


@dataclass(frozen=True)
class Kept:
    """What came of one attempt to keep a page: a form to show, whether all of it is valid, and what stood in the way."""

    form: forms.Form
    valid: bool
    differs: tuple[Difference, ...] = ()


@transaction.atomic
def keep(operation: Operation, page: Page, data: QueryDict, *, user: User) -> Kept:
    """Store what is valid, keep the rest as typed, and have the draft planned again.

    Nothing is stored when another window changed the draft since this one read it, until the person says so.
    Raises `Refused` for what is not this person's draft.
    """
    operation.refresh_from_db(from_queryset=Operation.objects.select_for_update())
    planning.own_draft(operation, user)
    form = form_of(operation, page, data)
    answers = _answers(operation.book, operation.params, form)
    differs = () if data.get(OVER) else _differences(operation, page, answers, data)
    if not differs:
        valid = not form.errors
        planning.save_page(operation, page.slug, answers, user=user, typed=None if valid else typed_in(form, data))
    return Kept(form, not form.errors, differs)


def _answers(book: Runbook[Any], params: Mapping[str, Any], form: forms.Form) -> dict[str, Any]:
    """The valid answers as plain JSON. What the parameters' own types refuse becomes an error at its field."""
    form.is_valid()
    stored: dict[str, Any] = {}
    for name, value in list(form.cleaned_data.items()):
        if name in book.params.__dataclass_fields__:
            try:
                stored[name] = _stored(book, name, _plain(value))
            except ValidationError as error:
                form.add_error(name if name in form.fields else None, f"This does not fit: {error.errors()[0]['msg']}.")
    return stored


def _plain(value: Any) -> Any:
    if isinstance(value, models.Model):
        return value.pk
    return [item.pk for item in value] if isinstance(value, models.QuerySet) else value


def _stored(book: Runbook[Any], name: str, value: Any) -> Any:
    """The value as the parameter's own type has it, in plain JSON; raises `ValidationError`."""
    adapter: TypeAdapter[Any] = TypeAdapter(get_type_hints(book.params, include_extras=True)[name])
    return adapter.dump_python(adapter.validate_python(value), mode="json")


def prefill(book: Runbook[Any], query: QueryDict) -> dict[str, Any]:
    """Answers from an address such as ?source=3, for names that stand on a page; what makes no sense is left out."""
    names = [name for page in book.pages for name in page.form.base_fields if name in query and name in book.params.__dataclass_fields__]
    given: dict[str, Any] = {}
    for name in names:
        for value in (query.getlist(name), query[name]):
            with suppress(ValidationError):
                given[name] = _stored(book, name, value)
    return given


def seen(operation: Operation) -> str:
    """What a window knows when it shows this draft: a short digest of each answer, as JSON."""
    return json.dumps({name: _short(value) for name, value in operation.params.items()}, separators=(",", ":"))


def _short(value: Any) -> str:
    return hashlib.sha256(canonical(value).encode()).hexdigest()[:10]


def _differences(operation: Operation, page: Page, answers: Mapping[str, Any], data: QueryDict) -> tuple[Difference, ...]:
    """Answers that are stored otherwise than this window read them, and otherwise than it would store them now."""
    try:
        known = json.loads(data.get(SEEN, ""))
    except ValueError:
        return ()
    if not isinstance(known, dict):
        return ()
    labels = labels_of(operation.book)
    changed = [name for name in labels if name in operation.params and known.get(name) != _short(operation.params[name])]
    here = [name for name in changed if not (name in answers and answers[name] == operation.params[name])]
    return tuple(Difference(labels[name], shown(operation.params[name]), _typed(page, name, data)) for name in here)


def _typed(page: Page, name: str, data: QueryDict) -> str:
    return ", ".join(data.getlist(name))[:300] if name in page.form.base_fields else ""


def labels_of(book: Runbook[Any]) -> dict[str, str]:
    """The label of each field on any page, by its name, in the order of the pages."""
    named = {name: field for page in book.pages for name, field in page.form.base_fields.items()}
    return {name: str(field.label or name.replace("_", " ").capitalize()) for name, field in named.items()}


def shown(value: Any) -> str:
    """An answer in a few words."""
    if isinstance(value, bool):
        return "yes" if value else "no"
    if isinstance(value, list):
        return ", ".join(shown(item) for item in value) or "none"
    return "–" if value in (None, "") else str(value) if not isinstance(value, dict) else canonical(value)


@dataclass(frozen=True)
class Answered:
    """One page of answers, for those who read and do not change."""

    title: str
    answers: list[tuple[str, str]]


def answered(operation: Operation, pages: Iterable[Page] | None = None) -> list[Answered]:
    """What was asked for, page by page, in the words of the forms."""
    every = operation.book.pages if pages is None else pages
    return [Answered(page.title, list(_answered(operation, page.form.base_fields.items()))) for page in every]


def _answered(operation: Operation, fields: Iterable[tuple[str, forms.Field]]) -> Iterable[tuple[str, str]]:
    for name, field in fields:
        if name in operation.params:
            yield str(field.label or name.replace("_", " ").capitalize()), _choice(field, operation.params[name])


def given(book: Runbook[Any], values: Mapping[str, Any]) -> list[tuple[str, str]]:
    """Some answers before there is an operation, in the words of the forms."""
    fields, labels = {name: field for page in book.pages for name, field in page.form.base_fields.items()}, labels_of(book)
    return [(labels[name], _choice(fields[name], value)) for name, value in values.items()]


def _choice(field: forms.Field, value: Any) -> str:
    """The words of a choice, where the field has fixed ones. One whose choices come and go may name an answer itself, by `called`."""
    if value and (called := getattr(field, "called", None)):
        return str(called(value))
    items = value if isinstance(value, list) else [value]
    if isinstance(field, forms.ModelChoiceField) and field.queryset is not None and value:
        return ", ".join(str(one) for one in field.queryset.filter(pk__in=items)) or shown(value)
    choices = {} if isinstance(field, forms.ModelChoiceField) else dict(getattr(field, "choices", None) or [])
    return ", ".join(str(choices.get(item, choices.get(str(item), shown(item)))) for item in items) or "none"
