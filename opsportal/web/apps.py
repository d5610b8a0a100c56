from django.apps import AppConfig
from django.db.models.signals import post_migrate


class WebConfig(AppConfig):
    name = "opsportal.web"
    label = "web"
    default_auto_field = "django.db.models.BigAutoField"

    def ready(self) -> None:
        from opsportal.web import login, roles

        post_migrate.connect(roles.create_roles, sender=self)
        login.listen()
