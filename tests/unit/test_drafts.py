"""What a host hands in: every bound, and a message that names the argument."""

from __future__ import annotations

import json
from types import MappingProxyType
from typing import Any
from uuid import uuid4

import pytest
from hypothesis import given
from hypothesis import strategies as st

from feedkit import Audience, InvalidArgument, LimitExceeded, Media, Settings
from feedkit.ids import MAX_ID
from feedkit.model import Assoc
from feedkit.writing.checks import (
    check_length,
    checked_choice,
    checked_id,
    checked_int,
    checked_text,
    optional_text,
)
from feedkit.writing.drafts import Draft, Drafting

SETTINGS = Settings(text_max_chars=10, extra_max_bytes=60, media_max=2, url_max_chars=20, ref_max_chars=5)
PARTS: dict[str, Any] = {
    "text": "",
    "kind": "post",
    "schema_version": 1,
    "audience": "public",
    "media": (),
    "extra": None,
    "ref": None,
    "reply_to": None,
}
SURROGATE = "\ud800"
MILE = "\N{EARTH GLOBE EUROPE-AFRICA}"  # one character, four bytes


def draft(**parts: Any) -> Draft:
    return Drafting(SETTINGS).draft(**{**PARTS, **parts})


class SaysPublic:
    """No audience, though it reads like one."""

    def __str__(self) -> str:
        return "public"


def nested(depth: int, leaf: Any = 1) -> Any:
    value = leaf
    for level in range(depth):
        value = [value] if level % 2 else {"k": value}
    return value


# what is taken


def test_none_is_as_good_as_left_out() -> None:
    nothing: Any = dict.fromkeys([*PARTS, "quote_of", "fallback", "list"])
    assert Drafting(SETTINGS).draft(**{**nothing, "text": "x"}) == Draft(text="x")


def test_the_least_is_an_empty_post() -> None:
    assert draft() == Draft(
        text="",
        kind="post",
        schema_version=1,
        audience=Audience.PUBLIC,
        media=(),
        extra_json="{}",
        ref=None,
        reply_to=None,
    )


@pytest.mark.parametrize(
    ("part", "value", "stored"),
    [
        ("text", "x" * 10, "x" * 10),
        ("text", MILE * 10, MILE * 10),
        ("text", "a\nb\t\r\u202e", "a\nb\t\r\u202e"),
        ("kind", "a" * 32, "a" * 32),
        ("kind", "x-ray.v2:a_b", "x-ray.v2:a_b"),
        ("schema_version", 2**31 - 1, 2**31 - 1),
        ("audience", "followers", Audience.FOLLOWERS),
        ("audience", Audience.ONLY_ME, Audience.ONLY_ME),
        ("ref", "12345", "12345"),
        ("ref", "d:7 ", "d:7 "),
        ("reply_to", 1, 1),
        ("reply_to", MAX_ID, MAX_ID),
        ("reply_to", str(MAX_ID), MAX_ID),
        ("reply_to", "007", 7),
    ],
)
def test_what_fits_is_taken(part: str, value: Any, stored: Any) -> None:
    taken = getattr(draft(**{part: value}), part)
    assert taken == stored
    assert type(taken) is type(stored)


class Text(str):
    __slots__ = ()


def test_a_subclass_of_str_is_stored_as_a_plain_one() -> None:
    assert type(draft(text=Text("hi")).text) is str


# what is refused

REFUSED: list[tuple[str, Any, str]] = [
    ("text", "x" * 11, "0..10 characters"),
    ("text", None, "must be a str"),
    ("text", b"bytes", "must be a str"),
    ("text", "a\0b", "NUL"),
    ("text", SURROGATE, "surrogate"),
    ("kind", "", "1..32"),
    ("kind", "a" * 33, "1..32"),
    ("kind", "Post", "a-z"),
    ("kind", "1st", "start with a letter"),
    ("kind", "post\n", "a-z"),
    ("kind", "pöst", "a-z"),
    ("schema_version", 0, "1..2147483647"),
    ("schema_version", 2**31, "1..2147483647"),
    ("schema_version", True, "must be an int"),
    ("schema_version", 1.0, "must be an int"),
    ("schema_version", "1", "must be an int"),
    ("audience", "everyone", "one of public, unlisted, followers, friends, list, only_me"),
    ("audience", "PUBLIC", "one of"),
    ("audience", 10**5000, "one of"),
    ("audience", nested(5000), "one of"),  # too deep to be written out
    ("audience", SaysPublic(), "one of"),
    ("media", "https://a.example", "must be a list"),
    ("media", b"bytes", "must be a list"),
    ("media", {"url": "u"}, "must be a list"),
    ("media", 5, "must be a list"),
    ("media", [Media("u")] * 3, "at most 2 items"),
    ("extra", [], "must be a dict"),
    ("extra", "{}", "must be a dict"),
    ("extra", {"k": "x" * 60}, "at most 60 bytes"),
    ("extra", {"k": object()}, "plain JSON"),
    ("extra", {"k": {1, 2}}, "plain JSON"),
    ("extra", {"k": b"bytes"}, "plain JSON"),
    ("extra", {"k": uuid4()}, "plain JSON"),
    ("extra", {"k": float("nan")}, "plain JSON"),
    ("extra", {"k": float("inf")}, "plain JSON"),
    ("extra", {"k": 10**5000}, "plain JSON"),
    ("extra", {"k": SURROGATE}, "plain JSON"),
    ("extra", {1: "k"}, "str keys only"),
    ("extra", {"k": [{None: 1}]}, "str keys only"),
    ("extra", nested(33), "at most 32 deep"),
    ("ref", "", "1..5 characters"),
    ("ref", "123456", "1..5 characters"),
    ("ref", 7, "must be a str"),
    ("ref", "a\0", "NUL"),
    ("ref", SURROGATE, "surrogate"),
    ("reply_to", 0, "feedkit id"),
    ("reply_to", -1, "feedkit id"),
    ("reply_to", MAX_ID + 1, "feedkit id"),
    ("reply_to", 10**5000, "feedkit id"),
    ("reply_to", True, "feedkit id"),
    ("reply_to", 1.0, "feedkit id"),
    ("reply_to", "", "feedkit id"),
    ("reply_to", "-1", "feedkit id"),
    ("reply_to", " 1", "feedkit id"),
    ("reply_to", "1_0", "feedkit id"),
    ("reply_to", "\N{ARABIC-INDIC DIGIT ONE}", "feedkit id"),
    ("reply_to", "9" * 19, "feedkit id"),
    ("reply_to", "0" * 20, "feedkit id"),
    ("reply_to", b"1", "feedkit id"),
]


@pytest.mark.parametrize(
    ("part", "value", "says"), REFUSED, ids=[f"{n}-{part}" for n, (part, *_) in enumerate(REFUSED)]
)
def test_what_does_not_fit_is_refused_by_name(part: str, value: Any, says: str) -> None:
    with pytest.raises(InvalidArgument) as refused:
        draft(**{part: value})
    assert refused.value.argument == part
    assert part in str(refused.value)
    assert says in str(refused.value)
    assert len(str(refused.value)) < 300, "it never repeats a whole value"


@pytest.mark.parametrize(
    ("part", "value", "limit", "actual"),
    [
        ("text", "x" * 11, 10, 11),
        ("ref", "", 5, 0),
        ("ref", "x" * 6, 5, 6),
        ("media", [Media("u")] * 3, 2, 3),
        ("extra", {"k": "x" * 60}, 60, 68),
        ("extra", nested(33), 32, None),
    ],
)
def test_what_is_too_large_says_how_large(part: str, value: Any, limit: int, actual: int | None) -> None:
    with pytest.raises(LimitExceeded) as refused:
        draft(**{part: value})
    assert (refused.value.limit, refused.value.actual) == (limit, actual)


# extra


def test_extra_fits_to_the_byte() -> None:
    exact = {"k": "x" * 52}
    assert len(draft(extra=exact).extra_json) == 60
    with pytest.raises(LimitExceeded):
        draft(extra={"k": "x" * 53})
    with pytest.raises(LimitExceeded):
        draft(extra={"k": MILE * 14})  # counted in bytes


@pytest.mark.parametrize("leaf", [1, {}, [], None])
def test_extra_may_be_nested(leaf: object) -> None:
    stored = Drafting(Settings()).draft(**{**PARTS, "extra": nested(31, leaf)}).extra_json
    assert json.loads(stored) == nested(31, leaf)


def test_extra_that_holds_itself_is_refused() -> None:
    loop: dict[str, Any] = {}
    loop["self"] = loop
    with pytest.raises(LimitExceeded):
        draft(extra=loop)


def test_an_extra_of_another_mapping_is_stored_or_clearly_refused() -> None:
    with pytest.raises(InvalidArgument, match="plain JSON"):
        draft(extra=MappingProxyType({"k": 1}))


json_values = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False, allow_infinity=False) | st.text(),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(), inner, max_size=4),
    max_leaves=10,
)


@given(st.dictionaries(st.text(), json_values, max_size=4))
def test_any_json_object_is_stored_as_it_is(extra: dict[str, Any]) -> None:
    assert json.loads(Drafting(Settings()).draft(**{**PARTS, "extra": extra}).extra_json) == extra


def test_what_was_stored_does_not_change_with_what_was_handed_in() -> None:
    extra: dict[str, Any] = {"tags": ["a"]}
    media = [{"url": "u"}]
    made = draft(extra=extra, media=media)
    extra["tags"].append("b")
    media[0]["url"] = "v"
    assert made.extra_json == '{"tags":["a"]}'
    assert made.media == (Media("u"),)


# media

FULL = {
    "url": "https://a.example/1",
    "media_type": "image/png",
    "width": 0,
    "height": 1_000_000,
    "alt_text": "x" * 10,
    "content_hash": "sha256:12",
}


def test_media_come_as_objects_or_dicts_in_order() -> None:
    made = draft(media=[FULL, Media("b")])
    assert made.media == (Media(**FULL), Media("b"))  # type: ignore[arg-type]  # a dict of both types
    assert draft(media=(MappingProxyType({"url": "c"}),)).media == (Media("c"),)


@pytest.mark.parametrize(
    ("media", "names"),
    [
        ({}, "media[1]"),
        ({"width": 5}, "media[1]"),
        ({"url": "u", "status": "approved"}, "media[1].status"),
        ({"url": "u", "status": None}, "media[1].status"),
        ({"url": "u", "size_bytes": -1}, "media[1].size_bytes"),
        ({"url": "u", "size_bytes": 2**63}, "media[1].size_bytes"),
        ({"url": "u", "size_bytes": 1.5}, "media[1].size_bytes"),
        ({"url": "u", 1: 2}, "media[1]"),
        ("https://a.example", "media[1]"),
        (None, "media[1]"),
        ({"url": ""}, "media[1].url"),
        ({"url": "x" * 21}, "media[1].url"),
        ({"url": None}, "media[1].url"),
        ({"url": "a\0"}, "media[1].url"),
        ({"url": SURROGATE}, "media[1].url"),
        (Media(""), "media[1].url"),
        ({"url": "u", "media_type": "x" * 21}, "media[1].media_type"),
        ({"url": "u", "media_type": 5}, "media[1].media_type"),
        ({"url": "u", "content_hash": "x" * 21}, "media[1].content_hash"),
        ({"url": "u", "content_hash": b"x"}, "media[1].content_hash"),
        ({"url": "u", "alt_text": "x" * 11}, "media[1].alt_text"),
        ({"url": "u", "alt_text": "\0"}, "media[1].alt_text"),
        ({"url": "u", "width": -1}, "media[1].width"),
        ({"url": "u", "width": 1_000_001}, "media[1].width"),
        ({"url": "u", "height": 1.5}, "media[1].height"),
        ({"url": "u", "height": True}, "media[1].height"),
    ],
)
def test_bad_media_are_refused_by_place_and_field(media: Any, names: str) -> None:
    with pytest.raises(InvalidArgument) as refused:
        draft(media=[Media("good"), media])
    assert refused.value.argument == names
    assert names in str(refused.value)


# the checks that other verbs share


@given(st.text(max_size=12))
def test_a_text_is_taken_as_it_is_or_refused(text: str) -> None:
    fits = len(text) <= 10 and "\0" not in text
    try:
        assert checked_text("t", text, 10) == text
        assert fits
    except InvalidArgument:
        assert not fits


def test_an_optional_text_may_be_none_and_a_text_may_not() -> None:
    assert optional_text("t", None, 5) is None
    assert optional_text("t", "", 5) == ""
    with pytest.raises(InvalidArgument):
        checked_text("t", None, 5)


@given(st.integers(-5, 15))
def test_an_int_is_within_its_bounds(value: int) -> None:
    if 1 <= value <= 10:
        assert checked_int("n", value, 1, 10) == value
    else:
        with pytest.raises(InvalidArgument, match=r"n must be 1\.\.10"):
            checked_int("n", value, 1, 10)


@given(st.integers())
def test_an_id_is_the_int_or_its_decimal_string(value: int) -> None:
    for given_as in (value, str(value)):
        if 0 < value <= MAX_ID:
            assert checked_id("id", given_as) == value
        else:
            with pytest.raises(InvalidArgument):
                checked_id("id", given_as)


def test_an_id_among_many_is_named_by_its_place() -> None:
    with pytest.raises(InvalidArgument, match=r"ids\[3\] must be") as refused:
        checked_id("ids", "x", "[3]")
    assert refused.value.argument == "ids"


def test_a_choice_is_a_member_or_its_string() -> None:
    assert (
        checked_choice("kind", "blocks", Assoc) is checked_choice("kind", Assoc.BLOCKS, Assoc) is Assoc.BLOCKS
    )
    with pytest.raises(InvalidArgument, match="one of follows"):
        checked_choice("kind", "BLOCKS", Assoc)


def test_a_length_may_reach_its_limit() -> None:
    check_length("ids", 5, 5, "ids", "batch_max")
    with pytest.raises(
        LimitExceeded, match="at most 5 ids, got 6; shorten it, or raise the setting batch_max"
    ):
        check_length("ids", 6, 5, "ids", "batch_max")


@pytest.mark.parametrize(
    ("part", "setting"),
    [
        ({"text": "x" * 11}, "text_max_chars"),
        ({"ref": "x" * 6}, "ref_max_chars"),
        ({"fallback": "x" * 501}, "fallback_max_chars"),
        ({"media": [{"url": "x" * 21}]}, "url_max_chars"),
        ({"media": [{"url": "x", "alt_text": "x" * 11}]}, "text_max_chars"),
    ],
)
def test_what_is_too_long_names_the_setting_that_says_so(part: dict[str, Any], setting: str) -> None:
    with pytest.raises(LimitExceeded, match=f"shorten it, or raise the setting {setting}$"):
        Drafting(SETTINGS).changes(part, Audience.PUBLIC)


def test_what_no_setting_bounds_names_none_and_nothing_is_told_from_too_much() -> None:
    with pytest.raises(LimitExceeded, match=r"got 3; shorten it$"):
        checked_text("key", "abc", 2)
    with pytest.raises(LimitExceeded, match=r"got 0; write something$"):
        checked_text("key", "", 2, at_least=1)


# digests


def test_the_digest_of_some_content_never_changes() -> None:
    """Keys outlive a deployment: what newer code makes of the same call has to be the same."""
    media = [{"url": "x", "alt_text": "y"}]
    made = draft(text="hi", media=media, extra={"b": 1, "a": [2]}, ref="r", audience="followers")
    assert made.digest().hex() == "616848f857f696e57e3538916dd322ee"
    assert made.digest() == draft(**{**_said(made), "extra": {"a": [2], "b": 1}}).digest()
    assert draft().digest().hex() == "2afb9b83f9314e5d029766197f539792"


@pytest.mark.parametrize(
    "other", [{"text": "ho"}, {"extra": {"a": 2}}, {"media": [{"url": "y"}]}, {"ref": None}, {"reply_to": 5}]
)
def test_other_content_has_another_digest(other: dict[str, Any]) -> None:
    same: dict[str, Any] = {"text": "hi", "extra": {"a": 1}, "media": [{"url": "x"}], "ref": "r"}
    assert draft(**same).digest() == draft(**same).digest() != draft(**{**same, **other}).digest()


def _said(made: Draft) -> dict[str, Any]:
    return {"text": made.text, "media": list(made.media), "ref": made.ref, "audience": str(made.audience)}
