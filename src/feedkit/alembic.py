"""For a host that keeps its own tables with Alembic: keeps `--autogenerate` away from feedkit's tables.

In the host's `env.py`:

    from feedkit.alembic import include_name

    context.configure(..., include_name=include_name("feedkit"))

feedkit's tables have a life of their own (`feedkit migrate`); without this, autogenerate takes them for tables
that the host has given up, and writes a migration that drops them. Alembic itself is not imported here.
"""

from collections.abc import Callable, Mapping
from typing import Any

from feedkit.storage.sql.tables import Tables
from feedkit.wiring import checked_namespace

IncludeName = Callable[[str | None, Any, Any], bool]
"""`(name, type, parent_names)`, as Alembic calls it."""
IncludeObject = Callable[[Any, str | None, Any, bool, Any], bool]
"""`(object, name, type, reflected, compare_to)`, as Alembic calls it."""


def include_name(*namespaces: str, also: IncludeName | None = None) -> IncludeName:
    """A hook `include_name` that leaves out the tables of these namespaces of feedkit.

    They are then not even reflected, which is quicker than `include_object`. Tables of the host's own whose names
    happen to begin alike stay in. `also`: the host's own hook, asked about all the rest.

    Raises:
        ConfigurationError: something is not a namespace.
    """
    ours = _tables_of(namespaces)

    def included(name: str | None, kind: Any, parents: Mapping[str, str | None]) -> bool:
        if kind == "table" and name in ours:
            return False
        return also is None or also(name, kind, parents)

    return included


def include_object(*namespaces: str, also: IncludeObject | None = None) -> IncludeObject:
    """The same as `include_name`, as a hook `include_object`, for hosts that have one already."""
    ours = _tables_of(namespaces)

    def included(thing: Any, name: str | None, kind: Any, reflected: bool, other: Any) -> bool:
        table = name if kind == "table" else getattr(getattr(thing, "table", None), "name", None)
        if table in ours:
            return False
        return also is None or also(thing, name, kind, reflected, other)

    return included


def _tables_of(namespaces: tuple[str, ...]) -> frozenset[str]:
    names: set[str] = set()
    for namespace in namespaces:
        tables = Tables(checked_namespace(namespace))
        names.update(tables.metadata.tables, (tables.revision.name,))
    return frozenset(names)
