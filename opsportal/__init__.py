"""The project package: the engine, its transports and the page furniture that all apps share."""

from opsportal.celery import app as celery_app

__all__ = ["celery_app"]
