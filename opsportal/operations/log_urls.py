"""Addresses of the log, under operations/."""

from django.urls import path

from opsportal.operations import log_views

urlpatterns = [
    path("<int:pk>/log", log_views.lines, name="log"),
    path("<int:pk>/log/search", log_views.search, name="log_search"),
    path("<int:pk>/log/raw", log_views.raw, name="log_raw"),
    path("<int:pk>/log/page", log_views.page, name="log_page"),
    path("<int:pk>/events", log_views.events, name="events"),
]
