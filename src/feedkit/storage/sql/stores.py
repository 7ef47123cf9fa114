"""Stores of one namespace, written once: they are statements, and hold no connection.

To write and compile the statements of all nouns takes longer than to make an empty schema.
"""

from collections.abc import Callable
from copy import copy
from functools import lru_cache
from typing import Any, TypeVar, cast

import sqlalchemy as sa

from feedkit.storage.sql.dialects import language_of
from feedkit.storage.sql.tables import Tables

Store = TypeVar("Store")

_NAMESPACES_KEPT = 32


class Stores:
    """The tables of a namespace, and the stores over them, as one kind of database reads their statements."""

    def __init__(self, sa_dialect: sa.Dialect, namespace: str) -> None:
        self.tables = Tables(namespace)
        self._language = language_of(sa_dialect, namespace)
        self._written: dict[Callable[..., Any], Any] = {}

    def of(self, kind: Callable[..., Store], *others: Callable[..., object]) -> Store:
        """A store of one truth's own, given those of `others`; what becomes of its attributes is its own as well."""
        if kind not in self._written:
            self._written[kind] = kind(self.tables, self._language, *map(self.of, others))
        return cast(Store, copy(self._written[kind]))


def stores_of(engine: sa.Engine, namespace: str, *, shared: bool) -> Stores:
    """The stores for an engine, those of the whole process where it may be `shared`: the engine is as it was made."""
    if shared:
        kind: Any = type(engine.dialect)
        return _shared(kind, namespace)
    return Stores(engine.dialect, namespace)


@lru_cache(maxsize=_NAMESPACES_KEPT)
def _shared(kind: type[Any], namespace: str) -> Stores:
    return Stores(kind(dbapi=kind.import_dbapi()), namespace)  # as SQLAlchemy makes it for an engine
