"""Every address of the portal."""

from django.conf import settings
from django.urls import include, path

urlpatterns = [
    path("", include("opsportal.web.urls")),
    path("hosts/", include("hosts.urls")),
    path("releases/", include("releases.urls")),
    path("networks/", include("networking.urls")),
    path("", include("opsportal.operations.urls")),
]

if settings.EMBEDDED:  # elsewhere nothing runs a practice cloud
    urlpatterns.append(path("lab/", include("opsportal.lab.urls")))
