"""Addresses of operations."""

from django.urls import include, path
from django.views.generic import RedirectView

urlpatterns = [
    path("", RedirectView.as_view(pattern_name="hosts"), name="home"),
    path("operations/", include("opsportal.operations.log_urls")),
]
