from django.apps import AppConfig


class LabConfig(AppConfig):
    name = "opsportal.lab"
    label = "lab"
