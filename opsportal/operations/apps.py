from django.apps import AppConfig


class OperationsConfig(AppConfig):
    name = "opsportal.operations"
    label = "operations"
    default_auto_field = "django.db.models.BigAutoField"

    def ready(self) -> None:
        from opsportal import checks  # noqa: F401 - registers the system checks
