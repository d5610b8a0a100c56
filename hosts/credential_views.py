"""Credentials: for administrators only. No answer of these pages ever carries a secret."""

from __future__ import annotations

from django.contrib import messages
from django.http import HttpResponse
from django.shortcuts import get_object_or_404, redirect, render
from django.views.decorators.debug import sensitive_post_parameters
from django.views.decorators.http import require_POST, require_safe

from hosts import queries, removing, sealing
from hosts.forms import CredentialForm, SecretForm
from hosts.models import Credential
from opsportal.operations import audit
from opsportal.operations.errors import Refused
from opsportal.secrets.ssh_keys import BadKey, PassphraseNeeded
from opsportal.web.access import PortalRequest, administrator

SECRETS = ("private_key", "passphrase", "password")


@administrator
@require_safe
def credentials(request: PortalRequest) -> HttpResponse:
    return render(request, "hosts/credentials.html", {"credentials": queries.credentials()})


@administrator
@require_safe
def credential(request: PortalRequest, pk: int) -> HttpResponse:
    found = get_object_or_404(queries.credentials(), pk=pk)
    return render(request, "hosts/credential.html", {"credential": found, "hosts": found.hosts.order_by("sort_name")[:50]})


@sensitive_post_parameters(*SECRETS)
@administrator
def credential_new(request: PortalRequest) -> HttpResponse:
    form, secret = CredentialForm(request.POST or None), SecretForm(request.POST or None)
    if request.method == "POST" and form.is_valid() and secret.is_valid():
        made: Credential = form.save(commit=False)
        if _seal(made, secret, request, "credential.add"):
            return redirect(made)
    look = {"form": form, "secret": secret}
    return render(request, "hosts/credential_new.html", look, status=422 if form.errors or secret.errors else 200)


@administrator
def credential_edit(request: PortalRequest, pk: int) -> HttpResponse:
    found = get_object_or_404(Credential, pk=pk)
    form = CredentialForm(request.POST or None, instance=found)
    if request.method == "POST" and form.is_valid():
        form.save()
        audit.record(request.user, "credential.edit", subject=found.name, detail={"changed": form.changed_data})
        return redirect(found)
    return render(request, "hosts/credential_edit.html", {"form": form, "credential": found}, status=422 if form.errors else 200)


@sensitive_post_parameters(*SECRETS)
@administrator
def credential_rotate(request: PortalRequest, pk: int) -> HttpResponse:
    """A new secret for all hosts of this credential at once. The old one is gone."""
    found = get_object_or_404(queries.credentials(), pk=pk)
    secret = SecretForm(request.POST or None)
    if request.method == "POST" and secret.is_valid() and _seal(found, secret, request, "credential.rotate"):
        return redirect(found)
    look = {"credential": found, "secret": secret}
    return render(request, "hosts/credential_rotate.html", look, status=422 if secret.errors else 200)


def _seal(credential: Credential, form: SecretForm, request: PortalRequest, action: str) -> bool:
    """False when it was not accepted; the reason then stands at its field."""
    try:
        sealing.put(
            credential,
            user=request.user,
            action=action,
            **{name: form.cleaned_data.get(name, "") for name in ("way", "algorithm", *SECRETS)},
        )
    except PassphraseNeeded as bad:
        form.add_error("passphrase", str(bad))
        return False
    except BadKey as bad:
        form.add_error("private_key", str(bad))
        return False
    except Refused as refused:
        form.add_error(None, refused.message)
        return False
    if credential.public:
        messages.success(request, "Put the public key below into ~/.ssh/authorized_keys on the hosts.")
    else:
        messages.success(request, "The password is stored, encrypted. It is never shown again.")
    return True


@administrator
@require_POST
def credential_remove(request: PortalRequest, pk: int) -> HttpResponse:
    found = get_object_or_404(Credential, pk=pk)
    try:
        removing.remove_credential(found, user=request.user)
    except Refused as refused:
        messages.error(request, refused.message)
        return redirect(found)
    messages.success(request, f"{found.name} was removed.")
    return redirect("credentials")
