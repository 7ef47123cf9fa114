"""Every knob is bounded, documented and readable from the environment."""

from __future__ import annotations

from typing import Any

import attrs
import pytest
from hypothesis import given
from hypothesis import strategies as st

from feedkit.errors import InvalidArgument
from feedkit.settings import Settings
from feedkit.settings.knobs import Knob

KNOBS = Settings.describe()
WHOLE = [knob for knob in KNOBS if isinstance(knob.allowed, range)]
FREE = [knob for knob in WHOLE if knob.name not in ("page_limit_default", "page_limit_max", "max_scan")]


def by_name(knob: Knob) -> str:
    return knob.name


def with_knob(knob: Knob, value: object) -> Settings:
    keywords: dict[str, Any] = {knob.name: value}
    return Settings(**keywords)


def test_defaults_never_change_by_accident() -> None:
    assert attrs.asdict(Settings()) == {
        "page_limit_default": 20,
        "page_limit_max": 100,
        "max_scan": 2000,
        "thread_depth_max": 100,
        "poll_interval_ms": 200,
        "text_max_chars": 10_000,
        "extra_max_bytes": 16_384,
        "fallback_max_chars": 500,
        "media_max": 10,
        "url_max_chars": 2048,
        "ref_max_chars": 200,
        "key_max_bytes": 200,
        "handle_max_chars": 64,
        "display_name_max_chars": 200,
        "tags_max": 50,
        "mentions_max": 50,
        "batch_max": 500,
        "following_max": 100_000,
        "requests_max": 10_000,
        "blocks_max": 100_000,
        "mutes_max": 100_000,
        "mute_max_s": 315_360_000,
        "lists_max": 100,
        "list_members_max": 5000,
        "list_name_max_chars": 64,
        "suggestions_followees": 200,
        "suggestions_each": 100,
        "lifetime_max_s": 31_536_000,
        "schedule_max_s": 31_536_000,
        "drafts_max": 1000,
        "revisions_max": 100,
        "pins_max": 5,
        "idempotency_ttl_s": 86_400,
        "reason_max_chars": 2000,
        "reaction_kinds": "like,love,laugh",
        "reactions_per_person": 1,
        "reactions_shown_to": "owner",
        "comment_max_chars": 5000,
        "comment_depth_max": 8,
        "comments_ranked_max": 10_000,
        "inbox_entries": 800,
        "inbox_tail": 256,
        "inbox_ttl_s": 604_800,
        "inboxes_max": 10_000,
        "outbox_entries": 200,
        "outboxes_max": 20_000,
        "posts_cached": 20_000,
        "users_cached": 20_000,
        "own_cached": 100_000,
        "relations_cached": 10_000,
        "delivery_chunk": 2000,
        "chunk_followers": 20_000,
        "chunk_lease_ms": 10_000,
        "delivery_tries": 3,
        "dead_letters_max": 10_000,
        "log_batch": 1000,
        "event_retention_s": 86_400,
        "prune_every": 10_000,
        "pull_grace_s": 604_800,
        "redis_timeout_ms": 2000,
        "build_lease_ms": 60_000,
        "shared_cache": "on",
        "shared_ttl_s": 600,
        "shared_absent_ms": 2000,
        "shared_lease_ms": 5000,
        "shared_wait_ms": 100,
        "host_transaction_max_s": 300,
        "replica_timeout_ms": 1000,
        "import_chunk": 100_000,
        "reconcile_chunk": 50_000,
        "bus_partitions": 16,
        "bus_events_max": 100_000,
        "bus_batch": 500,
        "bus_lease_ms": 60_000,
        "bus_tries": 5,
        "bus_retry_ms": 500,
        "lease_ms": 3_600_000,
        "busy_timeout_ms": 5000,
        "postgres_timeout_ms": 30_000,
        "retries": 5,
        "retry_backoff_ms": 20,
        "sqlite_synchronous": "NORMAL",
        "cursor_keys_kept": 3,
    }


@pytest.mark.parametrize("knob", KNOBS, ids=by_name)
def test_every_knob_is_documented_with_a_unit_and_a_sentence(knob: Knob) -> None:
    assert knob.unit
    assert knob.doc.endswith(".")
    assert knob.doc[0].isupper()
    assert knob.default in knob.allowed
    for suffix, unit in (("_s", "s"), ("_ms", "ms"), ("_bytes", "bytes"), ("_chars", "characters")):
        assert not knob.name.endswith(suffix) or knob.unit == unit


@pytest.mark.parametrize("knob", FREE, ids=by_name)
def test_bounds_are_inclusive(knob: Knob) -> None:
    for bound in (knob.minimum, knob.maximum):
        assert getattr(with_knob(knob, bound), knob.name) == bound


@pytest.mark.parametrize("knob", WHOLE, ids=by_name)
def test_a01_what_is_out_of_bounds_is_refused_with_knob_bound_and_way_out(knob: Knob) -> None:
    assert knob.minimum is not None
    assert knob.maximum is not None
    wrong: list[object] = [knob.minimum - 1, knob.maximum + 1, 10**5000, True, 20.0, "20", None, []]
    for value in wrong:
        with pytest.raises(InvalidArgument) as refused:
            with_knob(knob, value)
        assert refused.value.argument == knob.name
        assert str(refused.value).startswith(
            f"{knob.name} must be a whole number from {knob.minimum} to {knob.maximum} ({knob.unit}), got "
        )
        assert str(refused.value).endswith(f"the default is {knob.default}")


@pytest.mark.parametrize("value", ["normal", "", "NORMAL; DROP TABLE posts", 1, None])
def test_a_choice_takes_its_names_only(value: object) -> None:
    with pytest.raises(
        InvalidArgument, match="sqlite_synchronous must be one of OFF, NORMAL, FULL, EXTRA, got"
    ):
        Settings(sqlite_synchronous=value)  # type: ignore[arg-type]


def test_knobs_that_depend_on_each_other_are_checked_together() -> None:
    with pytest.raises(
        InvalidArgument, match=r"page_limit_default must be at most page_limit_max \(10\), got 20; lower"
    ):
        Settings(page_limit_max=10)
    with pytest.raises(
        InvalidArgument, match=r"page_limit_max must be at most max_scan \(100\), got 500; lower"
    ):
        Settings(page_limit_max=500, max_scan=100)

    assert Settings(page_limit_default=10, page_limit_max=10).page_limit_max == 10


def test_settings_never_change() -> None:
    settings = Settings()

    with pytest.raises(attrs.exceptions.FrozenInstanceError):
        settings.batch_max = 7  # type: ignore[misc]
    assert attrs.evolve(settings, batch_max=7) == Settings(batch_max=7)


def test_the_environment_sets_knobs_and_leaves_the_rest() -> None:
    # given
    environ = {
        "FEEDKIT_BATCH_MAX": " 7 ",
        "FEEDKIT_SQLITE_SYNCHRONOUS": "full",
        "FEEDKIT_REACTIONS_SHOWN_TO": " Everybody",
        "HOME": "/root",
    }

    # then
    wanted = Settings(batch_max=7, sqlite_synchronous="FULL", reactions_shown_to="everybody")
    assert Settings.from_env(environ=environ) == wanted
    assert Settings.from_env(environ={}) == Settings()


def test_the_environment_is_that_of_the_process_unless_given(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("MYAPP_FEED_RETRIES", "0")

    assert Settings.from_env("MYAPP_FEED_") == Settings(retries=0)


@given(st.sampled_from(FREE), st.data())
def test_every_value_that_can_be_written_out_can_be_read_back(knob: Knob, data: st.DataObject) -> None:
    assert isinstance(knob.allowed, range)
    value = data.draw(st.sampled_from(knob.allowed))

    settings = Settings.from_env(environ={f"FEEDKIT_{knob.name.upper()}": str(value)})

    assert settings == with_knob(knob, value)


@pytest.mark.parametrize("text", ["", "many", "1.5", "0x10", "1e3", "9" * 5000, "-1"])
def test_a_variable_that_is_no_number_within_bounds_is_refused(text: str) -> None:
    with pytest.raises(InvalidArgument, match="batch_max must be a whole number from 1 to 10000") as refused:
        Settings.from_env(environ={"FEEDKIT_BATCH_MAX": text})
    assert refused.value.argument == "batch_max"


def test_a_misspelt_variable_is_refused_with_close_names() -> None:
    # given
    environ = {"FEEDKIT_PAGE_LIMIT_MAXX": "5", "FEEDKIT_batch_max": "5", "FEEDKIT_QQQ": "x"}

    # when
    with pytest.raises(InvalidArgument) as refused:
        Settings.from_env(environ=environ)

    # then: all of them at once
    message = str(refused.value)
    assert "FEEDKIT_PAGE_LIMIT_MAXX (did you mean FEEDKIT_PAGE_LIMIT_MAX" in message
    assert "FEEDKIT_batch_max (did you mean FEEDKIT_BATCH_MAX" in message
    assert "FEEDKIT_QQQ" in message


def test_names_may_be_given_as_a_list() -> None:
    kinds: Any = ["like", "boo"]
    assert Settings(reaction_kinds=kinds) == Settings(reaction_kinds="like,boo")
    wrong: Any
    for wrong in ([], ["like", 1], ["like", "like"], ["a,b c"]):
        with pytest.raises(InvalidArgument, match="reaction_kinds"):
            Settings(reaction_kinds=wrong)


def test_an_empty_prefix_is_refused() -> None:
    with pytest.raises(InvalidArgument, match="prefix must not be empty"):
        Settings.from_env("", environ={})
