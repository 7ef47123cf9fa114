"""Cursors come back whole for their viewer and feed, and are refused alike for every other reason."""

from __future__ import annotations

import base64
import hashlib
import pickle
import struct

import attrs
import pytest
from hypothesis import given
from hypothesis import strategies as st

from feedkit import cursor as cursor_module
from feedkit.cursor import CURSOR_MAX_CHARS, Cursor, CursorCodec, CursorKey
from feedkit.errors import ConfigurationError, InvalidCursor
from feedkit.ids import MAX_ID

OLD, NEW = CursorKey(1, b"a" * 32), CursorKey(2, b"b" * 32)
PAGE = Cursor("home", before=2**60 + 12345, until=2**59, mark=987)

cursors = st.builds(
    Cursor,
    st.text(max_size=60),
    st.integers(0, MAX_ID),
    st.integers(0, MAX_ID),
    st.integers(0, MAX_ID),
)
viewers = st.integers(0, MAX_ID)
feeds = st.sampled_from(["home", "profile:123", "profile:1", "thread:9"]) | st.text(max_size=40)


def codec_of(*keys: CursorKey) -> CursorCodec:
    def reload() -> tuple[CursorKey, ...]:
        return keys

    return CursorCodec(reload, reload)


CODEC = codec_of(OLD, NEW)
TEXT = CODEC.encode(PAGE, viewer=7, feed="home")


def raw_of(text: str) -> bytes:
    return base64.urlsafe_b64decode(text + "=" * (-len(text) % 4))


def text_of(raw: bytes) -> str:
    return base64.urlsafe_b64encode(raw).decode().rstrip("=")


def signed(body: bytes, key: CursorKey = NEW, viewer: int = 7, feed: str = "home") -> str:
    """A cursor of arbitrary bytes, well signed: what only a holder of the key can make."""
    message = body + struct.pack(">Q", viewer) + feed.encode()
    tag = hashlib.blake2b(message, key=key.secret, digest_size=16).digest()
    return text_of(sealed(body, tag, key) + tag)


def sealed(body: bytes, tag: bytes, key: CursorKey = NEW) -> bytes:
    """A body as it stands in a cursor, and once more a body of that."""
    stream = b"".join(
        hashlib.blake2b(tag, key=key.secret, person=b"feedkit cursor", salt=bytes([nth])).digest()
        for nth in range(10)
    )
    return body[:3] + bytes(one ^ other for one, other in zip(body[3:], stream, strict=False))


def body_of(text: str) -> bytes:
    """What a cursor of the new key says."""
    return sealed(raw_of(text)[:-16], raw_of(text)[-16:])


def assert_refused(text: object, *, codec: CursorCodec = CODEC, viewer: int = 7, feed: str = "home") -> None:
    with pytest.raises(InvalidCursor) as refused:
        codec.decode(text, viewer=viewer, feed=feed)
    assert str(refused.value) == str(InvalidCursor())
    assert refused.value.to_dict() == InvalidCursor().to_dict()
    assert refused.value.__cause__ is None
    assert refused.value.__context__ is None or refused.value.__suppress_context__


@given(cursors, viewers, feeds)
def test_a_cursor_comes_back_whole(cursor: Cursor, viewer: int, feed: str) -> None:
    # when
    text = CODEC.encode(cursor, viewer=viewer, feed=feed)

    # then
    assert CODEC.decode(text, viewer=viewer, feed=feed) == cursor
    assert len(text) <= CURSOR_MAX_CHARS
    assert set(text) <= set("ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_")


def test_the_longest_mode_fits() -> None:
    cursor = Cursor("m" * 255)

    text = CODEC.encode(cursor, viewer=MAX_ID, feed="f" * 1000)

    assert CODEC.decode(text, viewer=MAX_ID, feed="f" * 1000) == cursor


def test_defaults_are_the_whole_feed() -> None:
    assert Cursor("home") == Cursor("home", before=MAX_ID, until=0, mark=0)


def test_stored_bytes_never_change_by_accident() -> None:
    # given: what hosts' clients hold at this moment
    home = "AgACqYSxxOmEIcJkQ4fh9_eL7pR8zPjPzi-_dg3OPxVv-lzUmKa56MIvwjVqXGt68sulXuZJB38"
    profile = "AgACXYNwKTSDVgPTQyEBgw9urt8jfDGVWii9Adew5iaA_9HcZl6NmTPrTR56MMIx8qnihLrOfadEwtA"

    # then
    assert CODEC.encode(PAGE, viewer=7, feed="home") == home
    assert CODEC.decode(home, viewer=7, feed="home") == PAGE
    assert CODEC.encode(Cursor("profile"), viewer=0, feed="profile:123") == profile
    assert CODEC.decode(profile, viewer=0, feed="profile:123") == Cursor("profile")


def test_a_cursor_tells_neither_viewer_nor_feed_nor_secret() -> None:
    # given
    viewer = 0x1122334455667788

    # when
    raw = raw_of(CODEC.encode(PAGE, viewer=viewer, feed="profile:ada"))

    # then
    assert struct.pack(">Q", viewer) not in raw
    assert b"ada" not in raw


@given(cursors, viewers, feeds)
def test_a_cursor_tells_nothing_of_what_it_says(cursor: Cursor, viewer: int, feed: str) -> None:
    # given
    one = CODEC.encode(cursor, viewer=viewer, feed=feed)
    other = CODEC.encode(attrs.evolve(cursor, before=cursor.before ^ 1), viewer=viewer, feed=feed)

    # then
    assert struct.pack(">QQ", cursor.before, cursor.until) not in raw_of(one)
    assert one == CODEC.encode(cursor, viewer=viewer, feed=feed)
    assert raw_of(one)[3:11] != raw_of(other)[3:11]
    assert raw_of(one)[11:35] != raw_of(other)[11:35], "the same numbers, and another stream"


def test_a_key_tells_no_secret() -> None:
    assert "bbbb" not in repr(NEW)


# ---- L13


@given(st.text(max_size=200) | st.text("ABCDEFabcdef0123456789-_+/=", max_size=200))
def test_l13_forged_text_is_refused(text: str) -> None:
    assert_refused(text)


@given(st.binary(max_size=100))
def test_l13_forged_bytes_are_refused(raw: bytes) -> None:
    assert_refused(text_of(raw))
    assert_refused(text_of(b"\x02\x00\x02" + raw))


@given(cursors, viewers, feeds, st.data())
def test_l13_flipped_bits_are_refused(cursor: Cursor, viewer: int, feed: str, data: st.DataObject) -> None:
    # given
    raw = bytearray(raw_of(CODEC.encode(cursor, viewer=viewer, feed=feed)))

    # when
    for position in data.draw(st.sets(st.integers(0, len(raw) * 8 - 1), min_size=1, max_size=3)):
        raw[position // 8] ^= 1 << position % 8

    # then
    assert_refused(text_of(bytes(raw)), viewer=viewer, feed=feed)


def test_l13_every_truncation_and_every_other_character_is_refused() -> None:
    for position in range(len(TEXT)):
        assert_refused(TEXT[:position])
        assert_refused(TEXT[position + 1 :])
        for other in "AQgw-_+/=. \n\0\u0661é":
            if other != TEXT[position]:
                assert_refused(TEXT[:position] + other + TEXT[position + 1 :])
            assert_refused(TEXT[:position] + other + TEXT[position:])


@given(cursors, viewers, viewers, feeds)
def test_l13_another_viewers_cursor_is_refused(cursor: Cursor, mine: int, yours: int, feed: str) -> None:
    text = CODEC.encode(cursor, viewer=yours, feed=feed)

    if mine != yours:
        assert_refused(text, viewer=mine, feed=feed)


@given(cursors, viewers, feeds, feeds)
def test_l13_another_feeds_cursor_is_refused(cursor: Cursor, viewer: int, one: str, other: str) -> None:
    text = CODEC.encode(cursor, viewer=viewer, feed=other)

    if one != other:
        assert_refused(text, viewer=viewer, feed=one)


def test_l13_a_logged_out_viewers_cursor_is_not_a_logged_in_ones() -> None:
    assert_refused(CODEC.encode(PAGE, viewer=0, feed="home"), viewer=7)
    assert_refused(TEXT, viewer=0)


def test_l13_mode_viewer_and_feed_cannot_be_shifted_into_each_other() -> None:
    # given: a well signed cursor whose message also reads as a longer mode with another viewer and feed
    feed = "12345678profile:1"
    text = CODEC.encode(PAGE, viewer=7, feed=feed)
    body, tag = body_of(text), raw_of(text)[-16:]
    message = body + struct.pack(">Q", 7) + feed.encode()

    # when
    longer = message[: len(body) + 8]
    viewer = int.from_bytes(feed[:8].encode(), "big")

    # then
    assert longer + struct.pack(">Q", viewer) + b"profile:1" == message
    assert_refused(text_of(sealed(longer, tag) + tag), viewer=viewer, feed="profile:1")


@pytest.mark.parametrize("version", [0, 1, 3, 255])
def test_l13_another_version_is_refused_though_well_signed(version: int) -> None:
    # given
    body = body_of(TEXT)
    assert CODEC.decode(signed(body), viewer=7, feed="home") == PAGE

    # then
    assert_refused(signed(bytes([version]) + body[1:]))


@given(st.binary(max_size=80))
def test_l13_a_well_signed_body_of_the_wrong_shape_is_refused(rest: bytes) -> None:
    body = b"\x02\x00\x02" + rest

    if len(body) < 36 or len(body) != 36 + body[35]:
        assert_refused(signed(body))


def test_l13_a_megabyte_is_refused_before_it_is_decoded(monkeypatch: pytest.MonkeyPatch) -> None:
    # given
    def never(*_arguments: object) -> bytes:
        raise AssertionError("decoded")

    monkeypatch.setattr(cursor_module, "binascii", never)

    # then
    for text in ("A" * (CURSOR_MAX_CHARS + 1), "A" * 2**20, TEXT * 20_000, "é" * 2**20):
        assert_refused(text)


class Hostile(str):
    __slots__ = ()

    def __eq__(self, _other: object) -> bool:
        return True

    __hash__ = str.__hash__


@pytest.mark.parametrize(
    "text",
    [
        None,
        7,
        True,
        1.5,
        b"",
        TEXT.encode(),
        bytearray(TEXT.encode()),
        [TEXT],
        (TEXT,),
        {"cursor": TEXT},
        object(),
    ],
    ids=lambda value: type(value).__name__,
)
def test_l13_what_is_not_text_is_refused(text: object) -> None:
    assert_refused(text)


def test_l13_texts_that_lie_about_themselves_are_refused() -> None:
    assert_refused(Hostile(TEXT + "="))
    assert_refused(Hostile(TEXT[:-1]))


class Bomb:
    def __reduce__(self) -> tuple[object, tuple[str]]:
        return (exec, ("raise SystemExit('executed')",))


def test_l13_nothing_is_evaluated_or_unpickled() -> None:
    # given
    payloads = [pickle.dumps(Bomb(), protocol) for protocol in range(pickle.HIGHEST_PROTOCOL + 1)]
    payloads += [b"__import__('os').abort()", b'{"before": 1}', b"!!python/object/apply:os.abort []"]

    # then
    for payload in payloads:
        assert_refused(payload.decode("latin-1"))
        assert_refused(text_of(payload))
        assert_refused(text_of(b"\x01\x00\x02" + payload))


@given(cursors, viewers)
def test_l13_a_cursor_has_one_spelling(cursor: Cursor, viewer: int) -> None:
    # given
    text = CODEC.encode(cursor, viewer=viewer, feed="home")
    alphabet = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_"

    # when: spelled in ways that a lenient decoder reads as the same bytes
    spellings = {text + "=" * n for n in (1, 2, 3)} | {text + "\n", " " + text, text[:4] + "\r\n" + text[4:]}
    spellings |= {text.replace("-", "+").replace("_", "/")} - {text}
    stray_bits = {2: 4, 3: 2}.get(len(text) % 4, 0)
    last = alphabet.index(text[-1])
    spellings |= {text[:-1] + alphabet[last | bits] for bits in range(1, 1 << stray_bits)}

    # then
    for spelling in spellings - {text}:
        assert_refused(spelling, viewer=viewer)


# ---- keys


class Keys:
    """The keys of one process, which learns of another's rotation by reloading."""

    def __init__(self, *known: CursorKey) -> None:
        self.known = self.stored = known
        self.reloads = 0

    def reload(self) -> tuple[CursorKey, ...]:
        self.reloads += 1
        self.known = self.stored
        return self.known

    def codec(self) -> CursorCodec:
        return CursorCodec(lambda: self.known, self.reload)


def test_the_newest_key_signs_and_older_ones_stay_valid() -> None:
    # given
    old_text = codec_of(OLD).encode(PAGE, viewer=7, feed="home")

    # then
    assert CODEC.decode(old_text, viewer=7, feed="home") == PAGE
    assert_refused(TEXT, codec=codec_of(OLD))
    assert_refused(old_text, codec=codec_of(NEW))


def test_a_key_made_elsewhere_is_learnt_by_one_reload() -> None:
    # given
    keys = Keys(OLD)
    codec = keys.codec()
    assert codec.decode(codec.encode(PAGE, viewer=7, feed="home"), viewer=7, feed="home") == PAGE
    assert keys.reloads == 0

    # when
    keys.stored = (OLD, NEW)

    # then
    assert codec.decode(TEXT, viewer=7, feed="home") == PAGE
    assert codec.decode(TEXT, viewer=7, feed="home") == PAGE
    assert keys.reloads == 1
    assert codec.encode(PAGE, viewer=7, feed="home") == TEXT


def test_l13_a_key_that_is_nowhere_costs_one_reload_and_is_refused() -> None:
    keys = Keys(OLD)

    assert_refused(TEXT, codec=keys.codec())

    assert keys.reloads == 1


def test_l13_forgeries_of_known_keys_cost_no_reload() -> None:
    # given
    keys = Keys(OLD, NEW)

    # when
    for text in ("", "AAAA", TEXT[:-1] + "A", "x" * 10_000, text_of(b"\x03\x99\x99" + bytes(60))):
        assert_refused(text, codec=keys.codec())

    # then
    assert keys.reloads == 0


def test_l13_a_key_of_the_same_id_but_another_secret_is_refused() -> None:
    assert_refused(TEXT, codec=codec_of(CursorKey(NEW.id, b"c" * 32)))


def test_a_codec_without_keys_says_what_to_run() -> None:
    with pytest.raises(ConfigurationError, match="feedkit migrate"):
        codec_of().encode(PAGE, viewer=7, feed="home")
    assert_refused(TEXT, codec=codec_of())


def test_keys_made_since_the_start_are_found_to_sign_with() -> None:
    keys = Keys()
    keys.stored = (OLD,)

    assert keys.codec().encode(PAGE, viewer=7, feed="home")


def test_an_error_of_truth_is_not_blamed_on_the_cursor() -> None:
    # given
    def fail() -> tuple[CursorKey, ...]:
        raise TimeoutError

    # then
    with pytest.raises(TimeoutError):
        CursorCodec(lambda: (OLD,), fail).decode(TEXT, viewer=7, feed="home")


@pytest.mark.parametrize(
    ("key_id", "secret"),
    [(-1, bytes(32)), (65_536, bytes(32)), (1, b""), (1, bytes(31)), (1, bytes(33)), (1, "x" * 32)],
)
def test_weak_or_impossible_keys_are_refused(key_id: int, secret: bytes) -> None:
    with pytest.raises(ConfigurationError, match="rotate to a new key"):
        CursorKey(key_id, secret)
