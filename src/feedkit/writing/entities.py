"""Tags and mentions in a text: where they stand, and whom a mention names."""

import logging
import re
import unicodedata
from collections.abc import Callable, Iterator, Mapping, Sequence
from functools import lru_cache
from typing import Any, Generic

import attrs

from feedkit.errors import InvalidArgument
from feedkit.model import Entity, Key
from feedkit.settings import Settings
from feedkit.storage.base import Truth, Tx
from feedkit.storage.directory import Directory
from feedkit.writing.checks import checked_text

MentionResolver = Callable[[Sequence[str]], Mapping[str, Any]]
"""The keys of those who go by these handles, by handle; nobody for a handle that it leaves out."""

TAG, MENTION = "tag", "mention"
TAG_MAX_CHARS = 100
_SIGNS = {"#": TAG, "\uff03": TAG, "@": MENTION, "\uff20": MENTION}
_SIGN = re.compile(f"[{''.join(_SIGNS)}]")
_JOINERS = "\u200c\u200d"  # within words of some scripts
_NOT_BEFORE = {TAG: "#\uff03&/", MENTION: "@\uff20/"}  # an entity of HTML, an address

logger = logging.getLogger(__name__)


class Entities(Generic[Key]):
    """Finds tags and mentions in texts.

    Whom a mention names is asked of `resolver`, the host's own; without one, it is the one user whom truth
    knows by exactly that handle.
    """

    def __init__(
        self, truth: Truth, directory: Directory[Key], resolver: MentionResolver | None, settings: Settings
    ) -> None:
        self._truth, self._directory, self._resolver = truth, directory, resolver
        self._settings = settings

    def of(self, text: str, host_tx: Tx | None = None) -> tuple[Entity, ...]:
        """The tags and mentions of a text, in order. Ask before a transaction is opened: hosts may take their time.

        Where nobody can be found for a mention, for whatever reason, it names nobody.
        """
        return self.of_many([text], host_tx)[0]

    def of_many(self, texts: Sequence[str], host_tx: Tx | None = None) -> list[tuple[Entity, ...]]:
        """As `of`, for each of many texts; all mentions are looked up at once."""
        settings = self._settings
        bounds = (settings.tags_max, settings.mentions_max, settings.handle_max_chars)
        found = [
            () if text.isascii() and "#" not in text and "@" not in text else parsed(text, *bounds)
            for text in texts  # most have no sign at all, which is quick to tell
        ]
        handles = list(
            dict.fromkeys(entity.value for those in found for entity in those if entity.kind == MENTION)
        )
        if not handles:
            return found
        named = self._named(handles, host_tx)
        return [tuple(_naming(entity, named) for entity in those) for those in found]

    def given(self, given: Mapping[str, object], host_tx: Tx | None = None) -> dict[str, Any]:
        """What a new text among `given` comes to. Raises InvalidArgument or LimitExceeded for one out of bounds."""
        if "text" not in given:
            return {}
        text = checked_text("text", given["text"], self._settings.text_max_chars, "text_max_chars")
        return {"entities": self.of(text, host_tx)}

    def _named(self, handles: list[str], host_tx: Tx | None) -> dict[str, int]:
        if self._resolver is None:
            return self._read(lambda tx: self._truth.users.with_handles(tx, handles), host_tx)
        try:
            keys = {handle: key for handle, key in self._resolver(handles).items() if handle in handles}
            self._directory.checked(keys)
        except Exception:  # a host's own resolver; the post must not be lost with it
            logger.exception("the mention resolver failed; the mentions of this text name nobody")
            return {}
        return dict(zip(keys, self._directory.ensure(keys, host_tx), strict=True)) if keys else {}

    def _read(self, work: Callable[[Tx], dict[str, int]], host_tx: Tx | None) -> dict[str, int]:
        return self._truth.read(work) if host_tx is None else work(host_tx)


def _naming(entity: Entity, named: Mapping[str, int]) -> Entity:
    if entity.kind != MENTION:
        return entity
    return attrs.evolve(entity, user_id=named.get(entity.value))


def parsed(text: str, tags_max: int, mentions_max: int, handle_max_chars: int) -> tuple[Entity, ...]:
    """The first tags and mentions of a text, whom they name yet unknown. Takes time linear in its length."""
    room = {TAG: tags_max, MENTION: mentions_max}
    found = []
    for entity in _entities(text, handle_max_chars):
        if room[entity.kind]:
            room[entity.kind] -= 1
            found.append(entity)
    return tuple(found)


def canonical_tag(tag: str) -> str | None:
    """The form in which spellings of one tag are the same (Unicode's NFKC_Casefold); None for what is no tag."""
    if not 0 < len(tag) <= TAG_MAX_CHARS:
        return None
    folded = "".join(char for char in unicodedata.normalize("NFKC", tag).casefold() if char not in _JOINERS)
    canonical = unicodedata.normalize("NFKC", unicodedata.normalize("NFKC", folded).casefold())
    if not 0 < len(canonical) <= TAG_MAX_CHARS or not all(map(_is_of_word, canonical)):
        return None
    return canonical if any(unicodedata.category(char)[0] == "L" for char in canonical) else None


def checked_tag(tag: object) -> str:
    """The canonical form of a tag, with or without its sign. Raises InvalidArgument for what is no tag."""
    found = canonical_tag(tag.lstrip("#\uff03")) if isinstance(tag, str) else None
    if found is None:
        message = (
            f"tag must be 1..{TAG_MAX_CHARS} letters, digits and underscores, with a letter among them, "
            "such as 'python'"
        )
        raise InvalidArgument(message, argument="tag")
    return found


def tags_of(entities: Sequence[Entity]) -> set[str]:
    """The tags among the entities of a text."""
    return {entity.value for entity in entities if entity.kind == TAG}


def _entities(text: str, handle_max_chars: int) -> Iterator[Entity]:
    """No run of a word is looked at twice: a sign is in no word, so what follows one ends before the next."""
    for match in _SIGN.finditer(text):
        start, kind = match.start(), _SIGNS[match[0]]
        before = text[start - 1] if start else " "
        if _is_of_word(before) or before in _NOT_BEFORE[kind]:
            continue
        end = _end_of_word(text, start + 1, "" if kind == TAG else ".-")
        word = text[start + 1 : end]
        value = canonical_tag(word) if kind == TAG else word
        if value and (kind == TAG or len(value) <= handle_max_chars):
            yield Entity(kind, start, end, value)


def _end_of_word(text: str, start: int, also: str) -> int:
    end = start
    while end < len(text) and (_is_of_word(text[end]) or text[end] in also):
        end += 1
    while end > start and (text[end - 1] in also or text[end - 1] in _JOINERS):  # a full stop, a dash
        end -= 1
    return end


@lru_cache(maxsize=4096)
def _is_of_word(char: str) -> bool:
    """Letters, the marks upon them (which `isalnum` leaves out), digits, joiners."""
    return unicodedata.category(char)[0] in "LMN" or char == "_" or char in _JOINERS
