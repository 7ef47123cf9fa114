"""Django in this process, with databases that come and go."""

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import django
import sqlalchemy as sa
from django.conf import settings
from django.db import connections

if not settings.configured:
    settings.configure(USE_TZ=True, SECRET_KEY="of tests", DATABASES={}, INSTALLED_APPS=[])
    django.setup()


def database(url: str, **options: Any) -> dict[str, Any]:
    """An entry of DATABASES."""
    parts = sa.make_url(url)
    if parts.get_backend_name() == "sqlite":
        return {"ENGINE": "django.db.backends.sqlite3", "NAME": parts.database, "OPTIONS": options}
    return {
        "ENGINE": "django.db.backends.postgresql",
        "NAME": parts.database,
        "USER": parts.username,
        "PASSWORD": parts.password or "",
        "HOST": parts.query.get("host") or parts.host,
        "PORT": parts.port or "",
        "OPTIONS": options,
    }


@contextmanager
def connected(url: str, alias: str = "default", **options: Any) -> Iterator[Any]:
    """`connections[alias]` is to this database, for as long as it is needed."""
    known = connections.configure_settings({"default": {}, alias: database(url, **options)})[alias]
    connections.settings[alias] = known
    try:
        yield connections[alias]
    finally:
        connections[alias].close()
        if options.get("pool"):
            connections[alias].close_pool()
        del connections[alias]
        del connections.settings[alias]
