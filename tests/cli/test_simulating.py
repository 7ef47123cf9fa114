"""`feedkit simulate`, as somebody types it who wonders about a policy."""

import json
from pathlib import Path
from typing import Any

import pytest
from typer.testing import CliRunner, Result

import feedkit
from feedkit.cli.app import app
from feedkit.fanout.simulate import Prices


@pytest.fixture(autouse=True)
def _here(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.delenv("FEEDKIT_DB", raising=False)
    Path("prices.json").write_text(json.dumps(Prices().to_dict()))


@pytest.fixture
def follows() -> str:
    rows = [f"fan{n},star" for n in range(50)] + [f"fan{n},fan{n + 1}" for n in range(40)]
    Path("follows.csv").write_text("\n".join(["follower,followee", *rows]))
    return "follows.csv"


def run(*arguments: str) -> Result:
    return CliRunner(env={"COLUMNS": "140"}).invoke(app, ["simulate", *arguments])


def report(*arguments: str) -> dict[str, Any]:
    done = run(*arguments, "--prices", "prices.json", "--json")
    assert done.exit_code == 0, done.output
    found: dict[str, Any] = json.loads(done.stdout.splitlines()[-1])
    return found


def test_posts_and_reads_are_made_up_over_a_file_of_follows(follows: str) -> None:
    found = report("--follows", follows, "--posts", "20", "--reads-per-post", "10")

    assert {one["name"] for one in found["policies"]} >= {"push", "pull"}
    assert {(one["posts"], one["reads"]) for one in found["policies"]} == {(20, 200)}
    assert found["chosen"] == found["cheapest"]
    assert found["prices"] == Prices().to_dict()


def test_it_is_a_table_with_the_policy_to_pass_to_connect(follows: str) -> None:
    done = run("--follows", follows, "--posts", "20", "--prices", "prices.json")

    assert done.exit_code == 0, done.output
    assert "What each policy costs: 20 posts, 2,000 pages read" in done.output
    assert "Cheapest: " in done.output
    assert "PushAll()" in done.output or "Hybrid(pull_above=" in done.output or "CostBased(" in done.output


def test_events_may_be_recorded_ones(follows: str) -> None:
    rows = [
        '{"at": "2026-01-31T12:00:00Z", "who": "fan1", "what": "read"}',
        '{"at": "2026-01-31T12:00:01Z", "who": "star", "what": "post"}',
        '{"at": "2026-01-31T12:00:02Z", "who": "fan1", "what": "read"}',
    ]
    Path("events.jsonl").write_text("\n".join(rows))

    push = report("--follows", follows, "--events", "events.jsonl")["policies"][0]

    assert (push["name"], push["posts"], push["reads"], push["writes"]) == ("push", 1, 2, 1)


def test_the_follows_may_be_those_of_ones_own_feed() -> None:
    with feedkit.connect("sqlite:///social.db") as feed:
        for n in range(5):
            feed.follow(f"fan{n}", "ada")

    pull = report("--db", "sqlite:///social.db", "--posts", "10", "--reads-per-post", "3")["policies"][-1]

    assert (pull["name"], pull["posts"], pull["reads"], pull["pulled_authors"]) == ("pull", 10, 30, 1)


def test_prices_are_measured_where_none_are_given(follows: str) -> None:
    done = run("--follows", follows, "--posts", "5", "--json")

    assert done.exit_code == 0, done.output
    assert json.loads(done.stdout.splitlines()[-1])["prices"] != Prices().to_dict()


@pytest.mark.parametrize(
    ("content", "message"),
    [
        ("who,what\nada,post", "it lacks at"),
        ("at,who,what\n2026-01-31T12:00:00Z,ada,liked", "row 1: what must be post or read"),
        ("at,who,what\nnow,ada,post", "at must be a time with its zone"),
    ],
)
def test_events_of_another_kind_are_refused(follows: str, content: str, message: str) -> None:
    Path("events.csv").write_text(content)

    done = run("--follows", follows, "--events", "events.csv", "--prices", "prices.json")

    assert done.exit_code == 1
    assert message in done.output.replace("\n", " ")


@pytest.mark.parametrize("content", ["{", '{"merge_ms": 1}', '{"merge_us": -1}'])
def test_prices_of_another_kind_are_refused(follows: str, content: str) -> None:
    Path("prices.json").write_text(content)

    done = run("--follows", follows, "--prices", "prices.json")

    assert done.exit_code == 1
    assert "prices" in done.output or "merge_us" in done.output


def test_a_lag_that_nothing_keeps_is_refused(follows: str) -> None:
    done = run("--follows", follows, "--posts", "5", "--prices", "prices.json", "--max-lag-ms", "0")

    assert done.exit_code == 1
    assert "raise max_lag_ms" in done.output
