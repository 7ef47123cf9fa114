"""A database as the first version of feedkit left it: its tables, its rows, and what its pages showed.

`schemas/v1.*` were written by that version itself. Nothing of it is imported here.
"""

import json
from pathlib import Path
from typing import Any

import sqlalchemy as sa

HERE = Path(__file__).parent / "schemas"
STORED: dict[str, Any] = json.loads((HERE / "v1.json").read_text(encoding="utf-8"))
EXPECTED: dict[str, Any] = STORED.pop("expected")


def plant_first_schema(url: str, namespace: str = "feedkit") -> None:
    """Make that database."""
    engine = sa.create_engine(url)
    with engine.begin() as connection:
        for statement in _tables(engine.dialect.name, namespace):
            connection.exec_driver_sql(statement)
        for name, table in STORED.items():
            _fill(connection, f"{namespace}_{name}", table["columns"], table["rows"])
        if engine.dialect.name == "postgresql":
            _number_events(connection, f"{namespace}_events")
    engine.dispose()


def _tables(dialect: str, namespace: str) -> list[str]:
    text = (HERE / f"v1.{dialect}.sql").read_text(encoding="utf-8").replace("{namespace}", namespace)
    return [statement for statement in text.split(";") if statement.strip()]


def _fill(connection: sa.Connection, name: str, columns: list[str], rows: list[list[Any]]) -> None:
    table = sa.table(name, *(sa.column(column) for column in columns))
    values = [dict(zip(columns, map(_value, row), strict=True)) for row in rows]
    connection.execute(table.insert(), values)


def _value(stored: Any) -> Any:
    return bytes.fromhex(stored["hex"]) if isinstance(stored, dict) else stored


def _number_events(connection: sa.Connection, events: str) -> None:
    """As the sequencer and the identity of that table leave them."""
    connection.execute(sa.text(f"UPDATE {events} SET number = id"))
    connection.execute(sa.text(f"SELECT setval('{events}_id_seq', (SELECT max(id) FROM {events}))"))
