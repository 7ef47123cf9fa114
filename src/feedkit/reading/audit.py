"""What staff did, for staff."""

from collections.abc import Sequence
from typing import Generic

from feedkit.cursor import Cursor, CursorCodec
from feedkit.ids import MAX_ID
from feedkit.model import AuditEntry, AuditPage, Key
from feedkit.relations import LOGGED_OUT
from feedkit.storage.base import Truth
from feedkit.storage.lives import Act
from feedkit.storage.readthrough import ReadThrough

_MODE = "audit"


class Audit(Generic[Key]):
    """Reads the audit, straight from truth: it is not asked for often."""

    def __init__(self, truth: Truth, readthrough: ReadThrough[Key], cursors: CursorCodec) -> None:
        self._truth, self._readthrough, self._cursors = truth, readthrough, cursors

    def page(self, *, post_id: int | None, user_id: int | None, cursor: object, limit: int) -> AuditPage[Key]:
        """A page of all acts, or of those on one post or one user, the newest first. Raises InvalidCursor."""
        name = f"audit:{post_id or ''}:{user_id or ''}"
        before = MAX_ID
        if cursor is not None:
            before = self._cursors.decode(cursor, viewer=LOGGED_OUT, feed=name).before
        of_object = post_id or user_id
        acts = self._truth.read(lambda tx: self._truth.journals.acts(tx, of_object, before, limit + 1))
        shown = acts[:limit]
        entries = self._entries(shown)
        if len(acts) == len(shown):
            return AuditPage(entries, None)
        follows = Cursor(_MODE, before=shown[-1].id)
        return AuditPage(entries, self._cursors.encode(follows, viewer=LOGGED_OUT, feed=name))

    def _entries(self, acts: Sequence[Act]) -> tuple[AuditEntry[Key], ...]:
        users = self._readthrough.users([act.object_id for act in acts if act.is_on_user])
        return tuple(
            AuditEntry(
                act.id,
                act.staff,
                act.action,
                act.reason,
                act.at,
                post_id=None if act.is_on_user else act.object_id or None,
                user=users.get(act.object_id) if act.is_on_user else None,
            )
            for act in acts
        )
