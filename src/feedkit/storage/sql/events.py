"""The log: events, how they are numbered, and how far its consumers have come.

SQLite's writers follow one another, so an event's id is its number. On PostgreSQL ids
are drawn before commit and may become visible out of order; there a committed event gets its number
from a sequencer, which is whichever process holds a lock for a moment.
"""

from collections.abc import Sequence
from typing import Any

import sqlalchemy as sa

from feedkit.idset import Ids
from feedkit.model import Event, EventKind
from feedkit.storage.entries import Entries, of_rows
from feedkit.storage.event_codec import from_row, pack_details
from feedkit.storage.events import TIMELINES
from feedkit.storage.sql.dialects import Dialect, columns
from feedkit.storage.sql.prepared import Tx
from feedkit.storage.sql.tables import Tables

_SEQUENCER_WAIT_MS = 500
_NUMBERED_AT_ONCE = 10_000
_PRUNED_AT_ONCE = 10_000
_COLUMNS = ["kind", "actor_id", "object_id", "at", "position", "data"]


class SqlEvents:
    """See `feedkit.storage.events.EventStore`."""

    def __init__(self, tables: Tables, dialect: Dialect) -> None:
        events, consumers = tables.events, tables.consumers
        self._events, self._dialect = events, dialect
        self.numbers_at_insert = dialect.numbers_at_insert
        self._number: sa.Column[int] = events.c.id if dialect.numbers_at_insert else events.c.number
        self._newest: Any = sa.select(sa.func.coalesce(sa.func.max(self._number), 0))
        prepare = dialect.prepare
        self._append = prepare(dialect.insert(events, _COLUMNS))
        self._after = prepare(self._select_after())
        self._last = prepare(self._newest)
        self._number_new = prepare(self._update_numbers())
        self._late = prepare(self._select_late())
        self._published_after = prepare(self._select_published_after())
        self._prune = prepare(self._delete_old())
        # Clocks differ, so age does not follow numbers: what goes is what lies below the first young one.
        young = sa.select(self._number).where(events.c.at >= sa.bindparam("since_ms"))
        self._first_young = prepare(young.order_by(self._number).limit(1))
        self._offsets = prepare(sa.select(consumers.c.name, consumers.c.offset))
        insert = dialect.insert(consumers, ["name", "offset"])
        self._set_offsets = prepare(
            insert.on_conflict_do_update(
                index_elements=[consumers.c.name], set_={"offset": insert.excluded.offset}
            )
        )
        self._forget = prepare(consumers.delete().where(consumers.c.name == sa.bindparam("gone")))
        waited_for = consumers.c.name != TIMELINES
        slowest = sa.select(sa.func.coalesce(sa.func.min(consumers.c.offset), 0)).where(waited_for)
        self._slowest = prepare(slowest)

    def append(self, tx: Tx, event: Event) -> None:
        self._append.run(
            tx,
            {
                "kind": event.kind.value,
                "actor_id": event.actor_id,
                "object_id": event.object_id,
                "position": event.position,
                "data": pack_details(event),
                "at": event.at_ms,
            },
        )
        if tx.told is not None:
            tx.told.append(event)

    def after(self, tx: Tx, number: int, limit: int) -> list[Event]:
        return [from_row(row) for row in self._after.rows(tx, {"after": number, "at_most": limit})]

    def number_new(self, tx: Tx) -> bool:
        if self.numbers_at_insert:
            return False
        self._dialect.lock(tx, "sequencer", at_most_ms=_SEQUENCER_WAIT_MS)
        return self._number_new.run(tx) > 0

    def last_number(self, tx: Tx) -> int:
        return int(self._last.scalar(tx))

    def last_before(self, tx: Tx, ms: int) -> int:
        first_young = self._first_young.scalar(tx, {"since_ms": ms})
        return self.last_number(tx) if first_young is None else int(first_young) - 1

    def late(
        self, tx: Tx, numbers: tuple[int, int], *, at_or_below: int, authors: Ids, limit: int
    ) -> Entries:
        bounds = {"above": numbers[0], "up_to": numbers[1], "top": at_or_below, "at_most": limit}
        return of_rows(self._late.rows(tx, {"ids": self._dialect.bind_ids(authors), **bounds}))

    def published_after(self, tx: Tx, number: int, highest: int, limit: int) -> list[int]:
        bounds = {"above": number, "top": highest, "at_most": limit}
        return self._published_after.column(tx, bounds)

    def offsets(self, tx: Tx) -> dict[str, int]:
        return dict(self._offsets.rows(tx))

    def set_offsets(self, tx: Tx, consumers: Sequence[str], number: int) -> None:
        self._set_offsets.run_many(tx, [{"name": name, "offset": number} for name in consumers])

    def forget(self, tx: Tx, consumer: str) -> bool:
        return self._forget.run(tx, {"gone": consumer}) > 0

    def claim(self, tx: Tx, *, wait: bool) -> bool:
        if not wait:
            return self._dialect.try_lock(tx, "shared-consumers")
        self._dialect.lock(tx, "shared-consumers")
        return True

    def prune(self, tx: Tx, older_than_ms: int) -> int:
        first_young = self._first_young.scalar(tx, {"since_ms": older_than_ms})
        newest = self.last_number(tx) if first_young is None else first_young
        below = {"below": min(self._slowest.scalar(tx), newest - 1)}
        pruned = gone = self._prune.run(tx, below)
        while gone == _PRUNED_AT_ONCE:
            gone = self._prune.run(tx, below)
            pruned += gone
        return pruned

    def _select_after(self) -> Any:
        chosen = [self._number.label("number"), *columns(self._events, _COLUMNS)]
        numbered = (
            sa.select(*chosen)
            .where(self._number > sa.bindparam("after"))
            .order_by(self._number)
            .limit(sa.bindparam("at_most"))
        )
        if self.numbers_at_insert:
            return numbered
        fresh = (
            sa.select(*chosen)
            .where(self._events.c.number.is_(None))
            .order_by(self._events.c.id)
            .limit(sa.bindparam("at_most"))
        )
        return sa.union_all(sa.select(numbered.subquery()), sa.select(fresh.subquery()))

    def _update_numbers(self) -> Any:
        events = self._events
        fresh = (
            sa.select(events.c.id, sa.func.row_number().over(order_by=events.c.id).label("nth"))
            .where(events.c.number.is_(None))
            .order_by(events.c.id)
            .limit(_NUMBERED_AT_ONCE)
            .cte("fresh")
        )
        numbers = self._newest.scalar_subquery() + fresh.c.nth
        return events.update().where(events.c.id == fresh.c.id).values(number=numbers)

    def _published_below(self) -> Any:
        events = self._events
        return sa.select(events.c.position, events.c.actor_id).where(
            events.c.kind == EventKind.POST_PUBLISHED.value, events.c.position <= sa.bindparam("top")
        )

    def _select_late(self) -> Any:
        numbers = (self._number > sa.bindparam("above")) & (self._number <= sa.bindparam("up_to"))
        by_authors = self._dialect.is_in(self._events.c.actor_id, "ids")
        newest_first = self._published_below().where(numbers, by_authors).order_by(sa.desc("position"))
        return newest_first.limit(sa.bindparam("at_most"))

    def _select_published_after(self) -> Any:
        newer = self._number > sa.bindparam("above")
        if not self.numbers_at_insert:
            newer |= self._events.c.number.is_(None)
        newest_first = self._published_below().where(newer).order_by(sa.desc("position"))
        return newest_first.limit(sa.bindparam("at_most"))

    def _delete_old(self) -> Any:
        events = self._events
        old = (
            sa.select(events.c.id)
            .where(self._number <= sa.bindparam("below"))
            .order_by(self._number)
            .limit(_PRUNED_AT_ONCE)
        )
        return events.delete().where(events.c.id.in_(old))


def published_by_events(events: sa.Table, dialect: Dialect) -> Any:
    """The ids of posts that events above number `:above`, up to `:up_to`, published."""
    number = events.c.id if dialect.numbers_at_insert else events.c.number
    return sa.select(events.c.object_id).where(
        events.c.kind == EventKind.POST_PUBLISHED.value,
        number > sa.bindparam("above"),
        number <= sa.bindparam("up_to"),
    )
