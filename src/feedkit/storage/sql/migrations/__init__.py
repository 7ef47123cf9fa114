"""The schema over time: one revision of Alembic's per form of the tables, run without any `alembic.ini`.

`runner` is the one module of feedkit that imports Alembic; `versions` holds the revisions. Each is a
module with `upgrade(op, namespace)`: the operations are handed in, so that nothing here touches the
global `alembic.op`, which may be at work for the host.

A change of `tables.py` needs a revision, and `SCHEMA_VERSION` counts them. A revision may be begun again
after a crash, so on PostgreSQL, where it may commit in between, every step of it can be repeated.
"""
