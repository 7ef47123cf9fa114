"""Streams lived through, and judged."""

import json
import re
from pathlib import Path
from typing import Any

import pytest
from typer.testing import CliRunner, Result

import feedkit
from feedkit.cli import stage as staging
from feedkit.cli.app import app
from feedkit.cli.recompute import SAID_OFTEN, Recompute

REPORT = {
    *(
        "posts",
        "follows",
        "blocks",
        "mutes",
        "deletions",
        "deliveries",
        "reads",
        "pages_checked",
        "mismatches",
    ),
    *("seconds", "write_s", "read_s", "verify_s", "posts_per_s", "home_p50_us", "home_p99_us"),
    *("policy", "pulled_authors", "db", "machine"),
}


class WithoutMutes(Recompute):
    """A judge that has forgotten one rule, so that a right page looks wrong to it."""

    HOME = Recompute.HOME.replace("mute.kind = 'mutes'", "mute.kind = 'never'")


class WithoutAudiences(Recompute):
    """Another."""

    HOME = Recompute.HOME.replace(
        "{their}",
        SAID_OFTEN["{their}"].replace("('public', 'followers')", "('public', 'followers', 'only_me')"),
    )


def run(*arguments: object) -> Result:
    return CliRunner().invoke(app, [str(argument) for argument in arguments])


def report(result: Result) -> dict[str, Any]:
    found: dict[str, Any] = json.loads(result.stdout.splitlines()[-1])
    return found


@pytest.mark.parametrize("policy", ["push", "pull", "hybrid"])
def test_a_replay_finds_every_page_in_order(data: Path, policy: str) -> None:
    result = run("replay", data, "--policy", policy, "--json")

    assert result.exit_code == 0, result.stderr
    found = report(result)
    assert found.keys() >= REPORT
    assert (found["posts"], found["mismatches"], found["policy"]) == (96, 0, policy)
    assert found["pages_checked"] >= 50
    assert found["follows"] + found["follows_refused"] == 56
    assert found["reads"] > 8


def test_a_replay_plants_trouble(data: Path) -> None:
    found = report(run("replay", data, "--seed", 4, "--json"))

    assert found["blocks"] + found["mutes"] + found["deletions"] > 0


def test_the_same_seed_repeats_the_replay(data: Path) -> None:
    counts = ("posts", "follows", "blocks", "mutes", "deletions", "undone", "reads", "pages_checked")
    runs = [report(run("replay", data, "--seed", 11, "--json")) for _ in range(2)]

    assert [runs[0][name] for name in counts] == [runs[1][name] for name in counts]


@pytest.mark.parametrize("limit", [1, 20])
def test_a_limited_replay_still_checks_enough_pages(data: Path, limit: int) -> None:
    found = report(run("replay", data, "--limit", limit, "--json"))

    assert found["posts"] == limit
    assert found["pages_checked"] >= 50


def test_only_the_json_goes_to_stdout(data: Path) -> None:
    result = run("replay", data, "--limit", 10, "--json")

    assert len(result.stdout.splitlines()) == 1
    assert "pages verified" in result.stderr


def test_without_json_the_table_goes_to_stdout(data: Path) -> None:
    assert "pages verified" in run("replay", data, "--limit", 10).stdout


def test_texts_keys_and_replies_arrive_as_they_are(data: Path) -> None:
    assert run("replay", data, "--db", f"sqlite:///{data}/kept.db").exit_code == 0

    with feedkit.connect(f"sqlite:///{data}/kept.db") as feed:
        trey = feed.profile("|trey|", "|trey|", limit=20)
        answers = [item.post for item in feed.profile("{brace}%s", "{brace}%s", tab="replies")]
    assert '0 "never closed' in [item.post.text for item in trey]
    assert answers
    assert all(post.reply_to for post in answers)
    assert trey.items[-1].post.created_at.isoformat() == "2016-06-01T00:00:00+00:00"


@pytest.mark.parametrize("judge", [WithoutMutes, WithoutAudiences])
def test_a_page_that_differs_is_told_and_fails_the_command(
    data: Path, monkeypatch: pytest.MonkeyPatch, judge: type[Recompute]
) -> None:
    monkeypatch.setattr(staging, "Recompute", judge)

    results = [run("replay", data, "--seed", seed, "--json") for seed in range(6)]

    wrong = [result for result in results if report(result)["mismatches"]]
    assert wrong
    assert {result.exit_code for result in wrong} == {1}
    assert re.search(r"home, read by .* post \d+ is ", wrong[0].stderr)


def test_a_database_with_posts_is_refused(data: Path) -> None:
    url = f"sqlite:///{data}/used.db"
    with feedkit.connect(url) as feed:
        feed.publish("ada", text="I live here")

    result = run("replay", data, "--db", url)

    assert result.exit_code == 1
    assert "holds posts already" in result.stderr
    assert run("replay", data, "--limit", 5, "--db", url, "--namespace", "other").exit_code == 0


def test_a_hosts_own_feed_is_replayed_into(
    data: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "staged_feed.py").write_text(
        "import feedkit, sqlalchemy\n"
        "engine = sqlalchemy.create_engine('sqlite:///staged.db')\n"
        "def still(): return feedkit.connect(engine, namespace='app')\n"
        "def moved():\n"
        "    clock = feedkit.ManualClock()\n"
        "    return feedkit.connect(engine, namespace='app', policy=feedkit.PushAll(), clock=clock)\n"
    )
    monkeypatch.chdir(tmp_path)

    still = run("replay", data, "--feed", "staged_feed:still")
    two_policies = run("replay", data, "--feed", "staged_feed:moved", "--policy", "pull")
    moved = run("replay", data, "--feed", "staged_feed:moved", "--json")

    assert (still.exit_code, "ManualClock" in still.stderr) == (1, True)
    assert (two_policies.exit_code, "--policy" in two_policies.stderr) == (1, True)
    assert (moved.exit_code, report(moved)["mismatches"], report(moved)["policy"]) == (0, 0, "push")


def test_a_replay_in_memory_is_judged_too(data: Path) -> None:
    found = report(run("replay", data, "--db", "memory://", "--json"))

    assert (found["mismatches"], found["db"]) == (0, "memory://")


def test_the_environment_does_not_lead_a_replay_into_a_database(
    data: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("FEEDKIT_DB", f"sqlite:///{data}/mine.db")

    assert run("replay", data, "--limit", 5).exit_code == 0
    assert not (data / "mine.db").exists()


def test_authors_above_the_threshold_are_pulled(data: Path) -> None:
    found = report(run("replay", data, "--pull-above", 2, "--json"))

    assert found["pulled_authors"] > 0
    assert found["mismatches"] == 0


def test_a_threshold_without_hybrid_is_refused(data: Path) -> None:
    result = run("replay", data, "--policy", "push", "--pull-above", 2)

    assert (result.exit_code, "--pull-above" in result.stderr) == (1, True)


def test_a_directory_without_data_is_refused_in_one_line(tmp_path: Path) -> None:
    result = run("replay", tmp_path)

    assert (result.exit_code, len(result.stderr.splitlines())) == (1, 1)


def test_the_demo_shows_a_table_and_two_home_pages() -> None:
    result = run("demo", "--limit", 400)

    assert result.exit_code == 0, result.stderr
    assert "mismatches" in result.stdout
    assert result.stdout.count("Home of ") == 2
    assert " ago" in result.stdout


def test_the_demo_takes_recorded_posts(data: Path) -> None:
    result = run("demo", "--data", data, "--json")

    assert report(result)["posts"] == 96
    assert result.stderr.count("Home of ") == 2
    assert "\x1b[31m" not in result.stderr


@pytest.mark.parametrize("policy", [("push",), ("hybrid", "--pull-above", "4")])
def test_a_replay_whose_workers_deliver_finds_every_page_in_order(
    data: Path, policy: tuple[str, ...], postgres_database: str, redis_url: str
) -> None:
    servers = ("--db", postgres_database, "--redis", redis_url, "--workers", "2")

    result = run("replay", data, "--policy", *policy, *servers, "--json")

    assert result.exit_code == 0, result.stderr
    found = report(result)
    assert found["mismatches"] == 0
    assert found["pages_checked"] >= 50
    assert found["deliveries"] > 0


def test_workers_of_a_replay_need_redis(data: Path, postgres_database: str) -> None:
    result = run("replay", data, "--db", postgres_database, "--workers", "2")

    assert result.exit_code == 1
    assert "--redis" in result.stderr
