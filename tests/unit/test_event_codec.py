"""Events come back from bytes as they were, and what cannot be read is an event of kind UNKNOWN."""

from __future__ import annotations

from typing import Any

import attrs
import pytest
from hypothesis import given
from hypothesis import strategies as st

from feedkit.codec import encode
from feedkit.model import Audience, Event, EventKind, Route
from feedkit.storage.event_codec import from_row, pack, pack_details, unpack

POST = Event(
    EventKind.POST_EDITED,
    3,
    7,
    1_767_225_600_000,
    position=9,
    route=Route.PULL,
    audience=Audience.FRIENDS,
    number=12,
    detail="public",
    about=(("reply", 5), ("quote", 6)),
)
FOLLOW = Event(EventKind.FOLLOW_ADDED, 3, 4, 1_767_225_600_000, number=13)


def row(event: Event, details: bytes | None, kind: str | None = None) -> tuple[Any, ...]:
    who_what = (event.actor_id, event.object_id, event.at_ms, event.position)
    return (event.number, kind or event.kind.value, *who_what, details)


@pytest.mark.parametrize("event", [POST, FOLLOW], ids=["post", "follow"])
def test_an_event_comes_back_as_it_was(event: Event) -> None:
    assert unpack(pack(event), 99) == event
    assert from_row(row(event, pack_details(event))) == event


def test_events_are_kept_in_these_bytes() -> None:
    whole = (
        "019aab706f73742e6564697465640307cf0000019b76daa80009"
        "a470756c6ca7667269656e64730ca67075626c69639292a57265706c790592a571756f746506"
    )
    details = "0294a470756c6ca7667269656e6473a67075626c69639292a57265706c790592a571756f746506"
    assert pack(POST).hex() == whole
    assert pack_details(POST) == bytes.fromhex(details)
    assert pack_details(FOLLOW) is None, "nothing that the columns do not say"


def test_details_of_the_first_version_are_read() -> None:
    older = attrs.evolve(POST, detail="", about=())
    assert from_row(row(POST, encode(1, ["pull", "friends"]))) == older


@pytest.mark.parametrize(
    "value",
    [
        ["post.exploded", 3, 7, 0, 9, "pull", "friends", 12, "", []],
        ["post.edited", 3, 7, 0, 9, "by pigeon", "friends", 12, "", []],
        ["post.edited", 3, 7, 0, 9, "pull", "friends", 12, "", [["reply"]]],
        ["post.edited", 3, 7, 0, 9, "pull", "friends", 12, "", [["reply", float("inf")]]],
        [["post.edited"], 3, 7, 0, 9, "pull", "friends", 12, "", []],
        ["post.edited"],
        "post.edited",
    ],
)
def test_what_newer_code_wrote_is_unknown(value: Any) -> None:
    assert unpack(encode(1, value), 12) == Event(EventKind.UNKNOWN, 0, 0, 0, number=12)


@pytest.mark.parametrize(
    "data", [b"", b"\x01", b"\x02\x90", b"\x01\x90", b"\x01\xc0", b"\x03" + pack(POST)[1:]]
)
def test_what_are_no_bytes_of_an_event_is_unknown(data: bytes) -> None:
    assert unpack(data, 12) == Event(EventKind.UNKNOWN, 0, 0, 0, number=12)


def test_of_the_log_it_is_still_known_who_did_what_when() -> None:
    unknown = Event(EventKind.UNKNOWN, 3, 7, POST.at_ms, number=12)
    assert from_row(row(POST, None, kind="post.exploded")) == unknown
    assert from_row(row(POST, b"\x03\x90")) == unknown
    assert from_row(row(POST, encode(2, ["pull", "everybody", "", []]))) == unknown


@given(st.binary(max_size=200).flatmap(lambda data: st.sampled_from([data, b"\x01" + data, b"\x02" + data])))
def test_no_bytes_bring_a_reader_down(data: bytes) -> None:
    assert isinstance(unpack(data, 5), Event)
    assert from_row(row(POST, data)).number == POST.number
