"""The app: its tables come with `manage.py migrate`, go empty with `flush`, and follow the settings."""

from typing import Any

from django.apps import AppConfig
from django.core.signals import setting_changed
from django.db.models.signals import post_migrate

from feedkit.django import wiring


class FeedkitConfig(AppConfig):
    """`feedkit.django` in INSTALLED_APPS."""

    name = "feedkit.django"
    label = "feedkit"
    verbose_name = "feedkit"

    def ready(self) -> None:
        """Listen to Django."""
        wiring.note_databases()
        post_migrate.connect(_after_migrate, sender=self, dispatch_uid="feedkit")
        setting_changed.connect(_after_setting, dispatch_uid="feedkit")


def _after_migrate(using: str, **told: Any) -> None:
    feed = wiring.made_feed()
    if using == feed.alias:
        if "plan" in told:
            feed.migrate()
        else:  # this is `flush`
            feed.empty()


def _after_setting(setting: str, **_: Any) -> None:
    if setting in {"FEEDKIT", "DATABASES"}:
        wiring.forget_feed()
