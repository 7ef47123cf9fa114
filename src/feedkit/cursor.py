"""Page cursors: sealed, signed, versioned, and valid for one viewer and one feed.

A cursor is base64url text over

    version (1 byte) | key id (2) | before, until, since, mark (8 each) | length of mode (1) | mode | tag (16)

big-endian, where the tag is keyed BLAKE2b (RFC 7693) of 16 bytes, over everything before it
followed by the viewer (8) and the feed. Those two are covered without being in the cursor, so it
tells nothing about them and is refused anywhere else.

What follows the key id is sealed: a page may end at something that its viewer must not know of, such as who
follows somebody and blocks the viewer. It is added, bit by bit, to a stream of keyed BLAKE2b over the tag, as in
the SIV construction of Rogaway and Shrimpton (2006): the same cursor gives the same text, and any other one a
stream of its own.

Only a fixed head is looked at before the tag has been verified, and every refusal is the same error: a forger
learns nothing from it.
"""

from __future__ import annotations

import binascii
import hashlib
import hmac
import struct
from collections.abc import Callable, Sequence
from typing import Final

import attrs

from feedkit.errors import ConfigurationError, InvalidCursor
from feedkit.ids import MAX_ID

CURSOR_MAX_CHARS: Final = 512

_VERSION: Final = 2
_HEAD: Final = struct.Struct(">BHQQQQB")
_OPEN: Final = struct.Struct(">BH")
_VIEWER: Final = struct.Struct(">Q")
_SEALING: Final = b"feedkit cursor"
_BLOCK: Final = 64
_MODE_MAX: Final = 255
_COUNTED: Final = [bytes((nth,)) for nth in range((_HEAD.size + _MODE_MAX) // _BLOCK + 1)]
_TAG_BYTES: Final = 16
_SECRET_BYTES: Final = 32
_TO_URL: Final = bytes.maketrans(b"+/", b"-_")
_FROM_URL: Final = bytes.maketrans(b"-_", b"+/")


@attrs.frozen
class Cursor:
    """Where a page begins: the entries at positions p with `until` < p < `before`.

    `before=MAX_ID` starts from the newest, `until=0` goes on to the end. With `until`, posts below it
    belong to the walk as well if an event above number `since` published them. `mark` is the number of
    the log's last event when the walk began; 0: it begins now. `mode` names the kind of page, in at most
    255 bytes.
    """

    mode: str
    before: int = MAX_ID
    until: int = 0
    since: int = 0
    mark: int = 0


@attrs.frozen
class CursorKey:
    """A signing key: its id (0..65535), which cursors carry, and its secret (32 random bytes).

    Raises ConfigurationError for any other, since a weak key would let clients write cursors.
    """

    id: int
    secret: bytes = attrs.field(repr=False)

    def __attrs_post_init__(self) -> None:
        if not 0 <= self.id <= 0xFFFF:
            raise ConfigurationError("the id of a cursor key must be 0..65535; rotate to a new key")
        if type(self.secret) is not bytes or len(self.secret) != _SECRET_BYTES:
            raise ConfigurationError(
                f"the secret of a cursor key must be {_SECRET_BYTES} bytes; rotate to a new key"
            )


class CursorCodec:
    """Turns cursors into text and back.

    `keys()` gives the valid keys at hand, the newest last, which signs; it is called every time and
    must be cheap. `reload()` fetches them anew. It is asked once for a cursor of an unknown key, which
    another process may have made since; anybody can present such a cursor, at one reload each.
    """

    def __init__(
        self, keys: Callable[[], Sequence[CursorKey]], reload: Callable[[], Sequence[CursorKey]]
    ) -> None:
        self._keys = keys
        self._reload = reload

    def encode(self, cursor: Cursor, *, viewer: int, feed: str) -> str:
        """The cursor as text for this viewer (0: logged out) and this feed, such as "profile:123".

        Raises ConfigurationError when there is no key to sign with.
        """
        key, mode = self._signing_key(), cursor.mode.encode()
        body = _HEAD.pack(_VERSION, key.id, *_numbers(cursor), len(mode)) + mode
        tag = _tag(key, body, viewer, feed)
        return _to_text(_sealed(key, body, tag) + tag)

    def decode(self, text: object, *, viewer: int, feed: str) -> Cursor:
        """The cursor that was encoded as this text for this viewer and this feed.

        Raises InvalidCursor, with one and the same message, for everything else.
        """
        key, body, tag = self._unsealed(text)
        if not hmac.compare_digest(tag, _tag(key, body, viewer, feed)):
            raise InvalidCursor
        return _said(body)

    def peek(self, text: str) -> Cursor:
        """What a cursor says, for whomever and wherever it is good: for tests that look over our shoulder."""
        return _said(self._unsealed(text)[1])

    def _unsealed(self, text: object) -> tuple[CursorKey, bytes, bytes]:
        """The key, the body as it was sealed, and the tag that is yet to be verified."""
        raw = _from_text(text)
        sealed, tag = raw[:-_TAG_BYTES], raw[-_TAG_BYTES:]
        if not _HEAD.size <= len(sealed) <= _HEAD.size + _MODE_MAX:
            raise InvalidCursor
        version, key_id = _OPEN.unpack_from(sealed)
        key = self._key(key_id) if version == _VERSION else None
        if key is None:
            raise InvalidCursor
        body = _sealed(key, sealed, tag)
        if len(body) != _HEAD.size + body[_HEAD.size - 1]:
            raise InvalidCursor
        return key, body, tag

    def _signing_key(self) -> CursorKey:
        keys = self._keys() or self._reload()
        if not keys:
            raise ConfigurationError(
                "there is no key to sign cursors with; run `feedkit migrate` or feed.migrate()"
            )
        return keys[-1]

    def _key(self, key_id: int) -> CursorKey | None:
        return _find(self._keys(), key_id) or _find(self._reload(), key_id)


def _numbers(cursor: Cursor) -> tuple[int, int, int, int]:
    return cursor.before, cursor.until, cursor.since, cursor.mark


def _said(body: bytes) -> Cursor:
    _, _, *numbers, _ = _HEAD.unpack_from(body)
    return Cursor(body[_HEAD.size :].decode(), *numbers)


def _find(keys: Sequence[CursorKey], key_id: int) -> CursorKey | None:
    for key in reversed(keys):  # most cursors are young
        if key.id == key_id:
            return key
    return None


def _tag(key: CursorKey, body: bytes, viewer: int, feed: str) -> bytes:
    """The body tells its own length, so no two (body, viewer, feed) share one message."""
    message = body + _VIEWER.pack(viewer) + feed.encode()
    return hashlib.blake2b(message, key=key.secret, digest_size=_TAG_BYTES).digest()


def _sealed(key: CursorKey, body: bytes, tag: bytes) -> bytes:
    """What follows the key id, sealed; and again what it was, of what is sealed."""
    length = len(body) - _OPEN.size
    stream = _block(key, tag, 0)
    for nth in range(1, -(-length // _BLOCK)):
        stream += _block(key, tag, nth)
    mixed = int.from_bytes(body[_OPEN.size :]) ^ int.from_bytes(stream[:length])
    return body[: _OPEN.size] + mixed.to_bytes(length)


def _block(key: CursorKey, tag: bytes, nth: int) -> bytes:
    return hashlib.blake2b(tag, key=key.secret, person=_SEALING, salt=_COUNTED[nth]).digest()


def _to_text(raw: bytes) -> str:
    return binascii.b2a_base64(raw, newline=False).translate(_TO_URL).rstrip(b"=").decode("ascii")


def _from_text(text: object) -> bytes:
    """The bytes whose one and only text this is; raises InvalidCursor if there are none."""
    if not isinstance(text, str) or len(text) > CURSOR_MAX_CHARS:
        raise InvalidCursor
    try:
        raw = binascii.a2b_base64(text.encode("ascii").translate(_FROM_URL) + b"=" * (-len(text) % 4))
    except ValueError:
        raise InvalidCursor from None
    if _to_text(raw) != text:  # another spelling of the same bytes: "+" for "-", stray bits, padding
        raise InvalidCursor
    return raw
