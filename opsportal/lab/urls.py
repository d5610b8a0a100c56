"""Addresses of the lab page: there where a practice cloud can be, in the embedded portal."""

from django.urls import path

from opsportal.lab import views

urlpatterns = [
    path("", views.lab, name="lab"),
    path("fault/", views.fault, name="lab_fault"),
    path("api-fault/", views.api_fault, name="lab_api_fault"),
    path("reset/", views.reset, name="lab_reset"),
    path("speed/", views.speed, name="lab_speed"),
]
