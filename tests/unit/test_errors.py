"""What a web layer and a process pool rely on when feedkit refuses something."""

from __future__ import annotations

import copy
import json
import pickle

import pytest

from feedkit import errors
from feedkit.errors import (
    FeedkitError,
    InvalidCursor,
    LimitExceeded,
    NodesExhausted,
    SchemaMissing,
    Unavailable,
    shown,
)

LEAVES = sorted(
    (leaf for leaf in vars(errors).values() if isinstance(leaf, type) and issubclass(leaf, FeedkitError)),
    key=lambda leaf: leaf.__name__,
)
CODES = {
    "Closed": ("closed", 500),
    "ConfigurationError": ("configuration_error", 500),
    "Conflict": ("conflict", 409),
    "FeedkitError": ("feedkit_error", 500),
    "Forbidden": ("forbidden", 403),
    "InvalidArgument": ("invalid_argument", 400),
    "InvalidCursor": ("invalid_cursor", 400),
    "KeyTypeMismatch": ("key_type_mismatch", 400),
    "LimitExceeded": ("limit_exceeded", 400),
    "NodesExhausted": ("nodes_exhausted", 503),
    "NotFound": ("not_found", 404),
    "SchemaMissing": ("schema_missing", 503),
    "Unavailable": ("unavailable", 503),
    "OutOfReach": ("out_of_reach", 503),
}


def test_codes_and_statuses_never_change_by_accident() -> None:
    assert {leaf.__name__: (leaf.code, leaf.http_status) for leaf in LEAVES} == CODES


@pytest.mark.parametrize("leaf", LEAVES)
def test_every_leaf_is_one_sentence_with_a_message_of_its_own(leaf: type[FeedkitError]) -> None:
    assert leaf.__doc__
    assert "\n" not in leaf.__doc__.strip()
    assert str(leaf()) == leaf().message == leaf.default_message != ""


@pytest.mark.parametrize("leaf", LEAVES)
@pytest.mark.parametrize("carry", [lambda error: pickle.loads(pickle.dumps(error)), copy.copy, copy.deepcopy])
def test_every_leaf_crosses_a_process_pool_whole(leaf: type[FeedkitError], carry) -> None:  # type: ignore[no-untyped-def]
    # given
    error = leaf("limit must be 1..100, got 500; ask for pages", argument="limit", retry_after_s=1.5)

    # when
    arrived = carry(error)

    # then
    assert type(arrived) is leaf
    assert str(arrived) == str(error)
    assert vars(arrived) == vars(error)
    assert arrived.to_dict() == error.to_dict()


def test_limit_exceeded_tells_the_numbers_without_parsing_its_message() -> None:
    error = pickle.loads(
        pickle.dumps(LimitExceeded("text is too long", argument="text", limit=10, actual=12))
    )

    assert (error.limit, error.actual, error.argument) == (10, 12, "text")


def test_the_body_names_only_what_is_known() -> None:
    bare = FeedkitError("no")
    full = Unavailable("busy", argument="target", retry_after_s=0.5)

    assert bare.to_dict() == {"error": {"code": "feedkit_error", "message": "no"}}
    assert json.loads(json.dumps(full.to_dict())) == {
        "error": {"code": "unavailable", "message": "busy", "argument": "target", "retry_after_s": 0.5}
    }


@pytest.mark.parametrize(("seconds", "header"), [(0, "0"), (0.2, "1"), (1, "1"), (1.0001, "2"), (-3, "0")])
def test_retry_after_is_in_whole_seconds_and_never_too_early(seconds: float, header: str) -> None:
    assert Unavailable(retry_after_s=seconds).http_headers == {"Retry-After": header}


def test_no_header_without_a_known_wait() -> None:
    assert Unavailable().http_headers == {}


def test_an_invalid_cursor_is_always_about_the_cursor() -> None:
    assert InvalidCursor().argument == "cursor"


def test_defaults_say_the_way_out() -> None:
    assert "feedkit migrate" in str(SchemaMissing())
    assert "lease_ms" in str(NodesExhausted())


class Hostile:
    def __repr__(self) -> str:
        raise RuntimeError("no repr for you")


def test_a01_values_in_messages_are_short_and_never_fail() -> None:
    for value in ("x" * 10_000, b"\x00" * 10_000, 10**5000, 10**400, [[[["deep"] * 100]]], Hostile()):
        assert len(shown(value)) < 200


def test_shown_values_break_no_line() -> None:
    assert shown("a\nb\x00\u202e") == r"'a\nb\x00\u202e'"
