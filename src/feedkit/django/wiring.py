"""From the settings FEEDKIT and DATABASES to a feed."""

import threading
from collections.abc import Mapping
from pathlib import Path
from typing import Any
from uuid import UUID

import attrs
from django.conf import settings
from django.core.exceptions import ImproperlyConfigured
from django.db import connections
from django.utils.module_loading import import_string

from feedkit.django.feed import DjangoFeed
from feedkit.errors import ConfigurationError, FeedkitError
from feedkit.settings import Settings
from feedkit.storage.sql.database import MEMORY_URL, Connector
from feedkit.wiring import wire

_KEYS: Mapping[Any, Any] = {"int": int, "str": str, "uuid": UUID}
_OF_CONNECT = ("namespace", "policy", "clock", "deliver", "metrics", "redis", "bus", "replicas")
_lock = threading.RLock()
_feed: DjangoFeed[Any] | None = None
_names: dict[str, Any] = {}
"""The databases as the settings name them, before a test runner has put others in their place."""


def note_databases() -> None:
    """Remember what DATABASES says now."""
    _names.update({alias: connections.settings[alias]["NAME"] for alias in connections})


def made_feed() -> DjangoFeed[Any]:
    """The feed of this process; made now if need be, which opens nothing.

    Raises:
        ImproperlyConfigured: FEEDKIT cannot work.
    """
    global _feed  # noqa: PLW0603 - Django has one set of settings per process, and this is made from it
    with _lock:
        if _feed is None:
            try:
                _feed = _made(dict(getattr(settings, "FEEDKIT", {})))
            except FeedkitError as error:
                raise ImproperlyConfigured(f"settings.FEEDKIT: {error.message}") from error
        return _feed


def forget_feed() -> None:
    """Close the feed; the next verb makes one from the settings as they are then."""
    global _feed
    from feedkit import django

    with _lock:
        closed, _feed = _feed, None
        django.feed.__init__(made_feed)  # type: ignore[misc]  # SimpleLazyObject's: as it was at first
    if closed is not None:
        closed.close()


def _made(given: dict[str, Any]) -> DjangoFeed[Any]:
    alias = given.pop("database", "default")
    if alias not in connections:
        raise ConfigurationError(f"database must be one of DATABASES, got {alias!r}", argument="database")
    key = given.pop("key", "int")
    of_connect = {name: given.pop(name, None) for name in _OF_CONNECT}
    wiring = wire(
        None,
        key=_KEYS.get(key, key),
        namespace=of_connect["namespace"] or "feedkit",
        policy=_imported(of_connect["policy"]),
        settings=_settings(given),
        clock=_imported(of_connect["clock"]),
        deliver=of_connect["deliver"] or "inline",
        metrics=_imported(of_connect["metrics"]),
        redis=of_connect["redis"],
        bus=of_connect["bus"],
        replicas=of_connect["replicas"] or (),
    )
    return DjangoFeed(wiring, alias, target_of)


def _imported(part: Any) -> Any:
    """A part, or the dotted name of it or of what makes it."""
    found = import_string(part) if isinstance(part, str) else part
    return found() if callable(found) else found


def _settings(given: dict[str, Any]) -> Settings:
    unknown = sorted(given.keys() - {field.name for field in attrs.fields(Settings)})
    if unknown:
        raise ConfigurationError(
            f"{unknown[0]} is neither an argument of feedkit.connect nor one of feedkit.Settings",
            argument=unknown[0],
        )
    return Settings(**given)


def target_of(alias: str) -> "str | Connector":
    """Where the feed keeps truth: the database of that alias, as DATABASES (or a test runner) names it now."""
    connection = connections[alias]
    name = connection.settings_dict["NAME"]
    if connection.vendor == "sqlite":
        return MEMORY_URL if connection.is_in_memory_db() else f"sqlite:///{Path(name).absolute()}"
    if connection.vendor != "postgresql" or connection.Database.__name__ != "psycopg":
        raise ConfigurationError(
            f"database: feedkit works with Django's SQLite and, by way of psycopg 3, with its PostgreSQL; {alias!r} is "
            f"{connection.display_name} by way of {connection.Database.__name__}",
            argument="database",
        )
    # A test runner drops its databases at the end, which nobody may be connected to then.
    return Connector(lambda: _connect(alias), pooled=name == _names.get(alias, name))


def _connect(alias: str) -> Any:
    """A connection as Django would open it, without what belongs to its ORM."""
    from psycopg import sql

    wrapper = connections[alias]
    parameters = wrapper.get_connection_params()
    for of_the_orm in ("context", "cursor_factory"):
        parameters.pop(of_the_orm, None)
    raw = wrapper.Database.connect(**parameters)
    if role := wrapper.settings_dict["OPTIONS"].get("assume_role"):
        raw.execute(sql.SQL("SET ROLE {}").format(sql.Identifier(role)))
        raw.commit()
    return raw
