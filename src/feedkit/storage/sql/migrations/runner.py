"""Runs revisions on a connection, under the lock and in the transaction that the caller holds."""

from collections.abc import Sequence
from pathlib import Path
from typing import Any, cast

import sqlalchemy as sa
from alembic.operations import Operations
from alembic.runtime.migration import MigrationContext
from alembic.script import ScriptDirectory

_HERE = Path(__file__).parent


def upgrade(connection: sa.Connection, namespace: str, version_table: str, to: str = "head") -> None:
    """Bring the tables of a namespace from the revision that `version_table` names to another.

    A connection that is in a transaction stays in it. On any other, each revision commits for itself.
    """
    scripts = ScriptDirectory(_HERE, version_locations=[_HERE / "versions"])

    def steps(stamped: Sequence[str], _context: Any) -> Any:
        return scripts._upgrade_revs(to, cast(str, stamped))  # as `alembic upgrade` calls it

    options = {"version_table": version_table, "transaction_per_migration": True, "fn": steps}
    context = MigrationContext.configure(connection=connection, opts=options)
    context.run_migrations(op=Operations(context), namespace=namespace)
