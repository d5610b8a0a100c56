"""How forms look, once for all: labels, help, and errors that a screen reader announces."""

from __future__ import annotations

from typing import Any

from django.forms.renderers import DjangoTemplates
from django.template.loader import get_template

_ERRORS = "django/forms/errors/list/default.html"


class PortalFormRenderer(DjangoTemplates):
    """Forms, fields and errors from templates/components; Django's own templates for widgets."""

    form_template_name = "components/form.html"
    field_template_name = "components/field.html"
    formset_template_name = "components/formset.html"

    def get_template(self, template_name: str) -> Any:
        if template_name == _ERRORS:
            template_name = "components/errors.html"
        return get_template(template_name) if template_name.startswith("components/") else super().get_template(template_name)
