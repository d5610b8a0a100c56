"""Hosts from a CSV file: upload, preview, confirm."""

from __future__ import annotations

from uuid import UUID

from django.contrib import messages
from django.http import HttpResponse
from django.shortcuts import get_object_or_404, redirect, render
from django.views.decorators.http import require_POST, require_safe

from hosts import importing, tasks
from hosts.forms import UploadForm
from hosts.models import HostImport
from opsportal.operations.errors import Refused
from opsportal.web.access import PortalRequest, operator


@operator
def hosts_import(request: PortalRequest) -> HttpResponse:
    form = UploadForm(request.POST or None, request.FILES or None)
    if request.method == "POST" and form.is_valid():
        upload = form.cleaned_data["file"]
        try:
            data = upload.read(importing.MAX_BYTES + 1) if upload else form.cleaned_data["text"].encode(errors="surrogatepass")
            text = importing.decode(data)
        except Refused as refused:
            form.add_error("file" if upload else "text", refused.message)
        else:
            kept = HostImport.objects.create(owner=request.user, text=text, file_name=(upload.name or "")[:200] if upload else "")
            return redirect("hosts_import_preview", kept.pk)
    return render(request, "hosts/import.html", {"form": form, "columns": importing.COLUMNS}, status=422 if form.errors else 200)


@operator
@require_safe
def hosts_import_preview(request: PortalRequest, pk: UUID) -> HttpResponse:
    kept = get_object_or_404(HostImport, pk=pk, owner=request.user)
    sheet = importing.judge(kept.text)
    return render(request, "hosts/import_preview.html", {"kept": kept, "sheet": sheet, "shown": importing.shortened(sheet)})


@operator
@require_POST
def hosts_import_confirm(request: PortalRequest, pk: UUID) -> HttpResponse:
    kept = get_object_or_404(HostImport, pk=pk, owner=request.user)
    try:
        number = importing.carry_out(kept.text, request.user)
    except Refused as refused:
        messages.error(request, refused.message)
        return redirect("hosts_import_preview", kept.pk)
    kept.delete()
    tasks.wake_reader()
    messages.success(request, f"{number:,} hosts were imported.")
    return redirect("hosts")
