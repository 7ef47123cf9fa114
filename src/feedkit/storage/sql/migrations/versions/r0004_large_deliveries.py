"""Deliveries over large audiences, and the chunks of them that workers share. Nothing that stands is touched."""

import sqlalchemy as sa
from alembic.operations import Operations

revision = "0004"
down_revision = "0003"


def upgrade(op: Operations, namespace: str) -> None:
    """Two more tables."""
    op.create_table(
        f"{namespace}_deliveries",
        sa.Column("number", sa.BigInteger, primary_key=True, autoincrement=False),
        sa.Column("author_id", sa.BigInteger, nullable=False),
        sa.Column("kind", sa.String(16), nullable=False),
        sa.Column("entries", sa.LargeBinary, nullable=False),
        sa.Column("at", sa.BigInteger, nullable=False),
        sa.Column("cut_to", sa.BigInteger, nullable=False),
        sa.Column("chunks", sa.Integer, nullable=False),
        if_not_exists=True,
    )
    op.create_table(
        f"{namespace}_chunks",
        sa.Column("number", sa.BigInteger, primary_key=True, autoincrement=False),
        sa.Column("nth", sa.Integer, primary_key=True, autoincrement=False),
        sa.Column("after_id", sa.BigInteger, nullable=False),
        sa.Column("up_to_id", sa.BigInteger, nullable=False),
        sa.Column("owner", sa.String(32), nullable=False),
        sa.Column("until_ms", sa.BigInteger, nullable=False),
        sa.Column("tries", sa.Integer, nullable=False),
        sa.Column("done", sa.SmallInteger, nullable=False),
        if_not_exists=True,
    )
