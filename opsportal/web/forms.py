"""How forms look, once for all: labels, help, and errors that a screen reader announces."""

from __future__ import annotations

from django.forms.renderers import DjangoTemplates, TemplatesSetting


class PortalFormRenderer(TemplatesSetting):
    """Forms and fields from templates/components; Django's own templates for widgets."""

    form_template_name = "components/form.html"
    field_template_name = "components/field.html"
    formset_template_name = "components/formset.html"

    def get_template(self, template_name: str) -> object:
        if template_name.startswith("components/"):
            return super().get_template(template_name)
        return DjangoTemplates().get_template(template_name)
