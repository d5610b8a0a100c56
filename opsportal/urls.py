"""Every address of the portal."""

from django.urls import include, path

urlpatterns = [
    path("", include("opsportal.web.urls")),
    path("hosts/", include("hosts.urls")),
    path("releases/", include("releases.urls")),
    path("networks/", include("networking.urls")),
    path("", include("opsportal.operations.urls")),
]
