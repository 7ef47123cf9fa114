"""On PostgreSQL, pages of counters are half full, so that a counter changes on its page. What stands stays there."""

from alembic.operations import Operations

revision = "0005"
down_revision = "0004"

_LOCK_TIMEOUT = "3s"


def upgrade(op: Operations, namespace: str) -> None:
    """Pages that are made from now on."""
    if op.get_bind().dialect.name == "postgresql":
        op.execute(f"SET LOCAL lock_timeout = '{_LOCK_TIMEOUT}'")
        op.execute(f"ALTER TABLE {namespace}_counts SET (fillfactor = 50)")
