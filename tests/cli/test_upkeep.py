"""Migrating, dropping and exporting, as an operator types it."""

import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import pytest
from typer.testing import CliRunner, Result

import feedkit
from feedkit.cli.app import app
from tests.first_schema import plant_first_schema

URL = "sqlite:///social.db"


@pytest.fixture(autouse=True)
def _here(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.delenv("FEEDKIT_DB", raising=False)


@pytest.fixture
def social() -> str:
    with feedkit.connect(URL) as feed:
        feed.follow("bob", "ada")
        feed.publish("ada", text="Hello")
    return URL


def run(*arguments: str, typed: str | None = None) -> Result:
    return CliRunner().invoke(app, list(arguments), input=typed)


def last_line(output: str) -> dict[str, Any]:
    found: dict[str, Any] = json.loads(output.splitlines()[-1])
    return found


def texts() -> list[str]:
    with feedkit.connect(URL) as feed:
        return [item.post.text for item in feed.home("bob")]


def test_migrate_upgrades_older_tables() -> None:
    plant_first_schema(URL)

    result = run("migrate", "--db", URL, "--json")

    assert (result.exit_code, last_line(result.stdout)["migrated"]) == (0, True)
    assert "The first" in run("home", "fay", "--db", URL).stdout + run("home", "eve", "--db", URL).stdout


@pytest.mark.parametrize("typed", ["", "yes\n", "feedkit2\n"])
def test_drop_asks_first(social: str, typed: str) -> None:
    result = run("drop", "--db", social, typed=typed)

    assert result.exit_code == 1
    assert texts() == ["Hello"]


def test_drop_removes_what_was_named(social: str) -> None:
    assert run("drop", "--db", social, typed="feedkit\n").exit_code == 0

    assert texts() == []


def test_drop_in_a_script(social: str) -> None:
    assert run("drop", "--db", social, "--confirm", "app").exit_code == 1
    assert texts() == ["Hello"]

    result = run("drop", "--db", social, "--confirm", "feedkit", "--json")
    assert last_line(result.stdout) == {"dropped": "feedkit", "target": social}
    assert texts() == []


def test_explain_says_why(social: str) -> None:
    with feedkit.connect(URL) as feed:
        post_id = feed.home("bob").items[0].post.id
        feed.mute("bob", "ada")

    result = run("explain", "bob", str(post_id), "--db", social, "--json")

    assert result.exit_code == 0
    assert last_line(result.stdout)["in_home"] is False
    assert "bob mutes ada" in result.stderr
    assert run("explain", "bob", "77", "--db", social).exit_code == 1


def test_export_writes_lines(social: str) -> None:
    result = run("export", "all.jsonl", "--db", social)

    assert result.exit_code == 0
    assert "1 post" in result.stderr
    kinds = [json.loads(line)["type"] for line in Path("all.jsonl").read_text().splitlines()]
    assert kinds == ["feedkit", "user", "user", "relation", "post"]

    printed = run("export", "-", "--user", "bob", "--db", social).stdout
    assert [json.loads(line)["type"] for line in printed.splitlines()] == ["feedkit", "user", "relation"]
    assert run("export", "x", "--user", "nobody", "--db", social).exit_code == 1


def test_a_file_that_cannot_be_written_is_one_line(social: str) -> None:
    result = run("export", "absent/all.jsonl", "--db", social)

    assert (result.exit_code, len(result.stderr.splitlines())) == (1, 1)
    assert "absent/all.jsonl cannot be written: No such file or directory" in result.stderr


def test_dead_letters_of_groups_are_listed_and_discarded() -> None:
    # given
    def broken(_: Sequence[feedkit.Event]) -> None:
        raise ValueError

    with feedkit.connect(URL, bus="memory://", settings=feedkit.Settings(bus_tries=1)) as feed:
        feed.bus.subscribe("search")
        feed.publish("ada", text="Hello")
        feed.publish("ada", text="Once more")
        feed.bus.consume("search", broken)

    # when
    listed = last_line(run("dead-letters", "--db", URL, "--json").stdout)["letters"]
    retried = run("dead-letters", "--db", URL, "--retry", "bus:search")
    left = last_line(run("dead-letters", "--db", URL, "--discard", "bus:search:1", "--json").stdout)

    # then
    assert [(one["consumer"], one["number"]) for one in listed] == [("bus:search", 1), ("bus:search", 2)]
    assert (retried.exit_code, "pass the handler of that group" in retried.output) == (1, True)
    assert (left["discarded"], [one["number"] for one in left["letters"]]) == (1, [2])
