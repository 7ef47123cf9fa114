"""The commands as somebody types them."""

import json
import os
import re
import subprocess
import sys
from pathlib import Path
from typing import Any
from uuid import UUID

import pytest
from typer.testing import CliRunner, Result

import feedkit
from feedkit.cli.app import app
from feedkit.cli.options import shown

HOSTS_MODULE = """
import feedkit
feed = feedkit.connect("sqlite:///hosted.db", namespace="app")
def make_feed() -> None:
    return feedkit.connect("sqlite:///hosted.db", namespace="app")
number = 7
def wsgi(environ, start_response):
    raise AssertionError("nobody calls it")
"""


@pytest.fixture(autouse=True)
def _here(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.delenv("FEEDKIT_DB", raising=False)


@pytest.fixture
def social() -> str:
    """A database in which bob follows ada, and ada has posted five times."""
    with feedkit.connect("sqlite:///social.db") as feed:
        feed.users.put("ada", handle="ada", display_name="Ada Lovelace")
        feed.follow("bob", "ada")
        first = feed.publish("ada", text="The first of five")
        feed.publish("ada", text="For followers", audience="followers")
        feed.publish("bob", text="An answer", reply_to=first.id)
        for number in range(3):
            feed.publish("ada", text=f"Number {number}")
    return "sqlite:///social.db"


def run(*arguments: str) -> Result:
    return CliRunner().invoke(app, list(arguments))


def last_line(output: str) -> dict[str, Any]:
    found: dict[str, Any] = json.loads(output.splitlines()[-1])
    return found


def test_help_names_every_command() -> None:
    shown = run("--help").output

    for command in ("migrate", "demo", "replay", "home", "profile", "thread", "drain", "check"):
        assert command in shown
    assert run("-h").output == shown


def test_the_version_is_said() -> None:
    result = run("--version")

    assert (result.exit_code, result.stdout) == (0, f"feedkit {feedkit.__version__}\n")


def test_a_home_page_shows_authors_texts_replies_and_audiences(social: str) -> None:
    shown = run("home", "bob", "--db", social).stdout

    assert "Ada Lovelace @ada" in shown
    assert "The first of five" in shown
    assert "to Ada Lovelace" in shown
    assert "followers only" in shown


def test_a_thread_shows_what_is_answered_and_the_replies(social: str) -> None:
    with feedkit.connect(social) as feed:
        answer = feed.profile(None, "bob", tab="replies").items[0].post
        feed.publish("ada", text="Thanks", reply_to=answer.id)

    shown = run("thread", str(answer.id), "--db", social, "--viewer", "bob")

    texts = ("The first of five", "An answer", "Replies", "Thanks")
    assert sorted(texts, key=shown.stdout.index) == list(texts)
    page = last_line(run("thread", str(answer.id), "--db", social, "--json").stdout)
    assert [item["post"]["text"] for item in page["items"]] == ["Thanks"]
    assert run("thread", "12345", "--db", social).exit_code == 1


def test_a_home_page_goes_on_with_its_cursor(social: str) -> None:
    first = last_line(run("home", "bob", "--db", social, "--limit", "4", "--json").stdout)
    second = last_line(
        run("home", "bob", "--db", social, "--cursor", first["next_cursor"], "--limit", "4", "--json").stdout
    )

    texts = [item["post"]["text"] for item in first["items"] + second["items"]]
    assert texts == ["Number 2", "Number 1", "Number 0", "An answer", "For followers", "The first of five"]
    assert second["next_cursor"] is None


def test_cursors_are_printed_whole(social: str) -> None:
    shown = run("home", "bob", "--db", social, "--limit", "1", "--newer").stdout

    older, newer = (line.split("--cursor ")[1] for line in shown.splitlines() if "--cursor" in line)
    assert "For followers" in run("home", "bob", "--db", social, "--limit", "9", "--cursor", older).stdout
    assert "Nothing here yet" in run("home", "bob", "--db", social, "--cursor", newer).stdout


def test_the_ids_that_are_shown_lead_on(social: str) -> None:
    assert not re.search(r"\d{19}", run("home", "bob", "--db", social).stdout)

    ids = re.findall(r"^  (\d{19})$", run("home", "bob", "--db", social, "--ids").stdout, re.MULTILINE)
    assert len(ids) == 6
    assert "Thread of" in run("thread", ids[0], "--db", social, "--viewer", "bob").stdout
    assert "is in the home feed" in run("explain", "bob", ids[0], "--db", social).stdout
    assert ids[0] in run("profile", "ada", "--db", social, "--viewer", "bob", "--ids").stdout
    assert ids[0] in run("thread", ids[0], "--db", social, "--viewer", "bob", "--ids").stdout


def test_each_step_of_an_explanation_is_one_line_however_long() -> None:
    ada, bob = UUID(int=2**127), UUID(int=2**126)
    with feedkit.connect("sqlite:///social.db", key=UUID) as feed:
        feed.follow(bob, ada)
        post = feed.publish(ada, text="Hello")
        expected = str(feed.explain(bob, post.id)).splitlines()

    shown = run("explain", str(bob), str(post.id), "--db", "sqlite:///social.db").stdout.splitlines()

    assert max(map(len, expected)) > 100
    assert len(shown) == len(expected)
    assert shown[1] == expected[1]


def test_a_profile_shows_what_the_viewer_may_see(social: str) -> None:
    logged_out = run("profile", "ada", "--db", social)
    as_bob = run("profile", "ada", "--viewer", "bob", "--db", social)

    assert logged_out.exit_code == as_bob.exit_code == 0
    assert "For followers" not in logged_out.stdout
    assert "For followers" in as_bob.stdout
    assert "1 follower," in as_bob.stdout


def test_options_may_stand_before_the_command(social: str) -> None:
    shown = run("--db", social, "home", "bob")

    assert "The first of five" in shown.stdout


def test_the_environment_names_the_database(social: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("FEEDKIT_DB", social)

    assert "The first of five" in run("home", "bob").stdout


def test_an_error_is_one_line_on_stderr(social: str) -> None:
    result = run("home", "bob", "--db", social, "--limit", "100000")

    assert result.exit_code == 1
    assert result.stdout == ""
    assert len(result.stderr.splitlines()) == 1
    assert "limit" in result.stderr


def test_a_bad_cursor_is_one_line(social: str) -> None:
    result = run("home", "bob", "--db", social, "--cursor", "nonsense")

    assert (result.exit_code, len(result.stderr.splitlines())) == (1, 1)


def test_looking_makes_no_database() -> None:
    result = run("home", "bob", "--db", "sqlite:///absent.db")

    assert result.exit_code == 1
    assert "feedkit migrate" in result.stderr
    assert not Path("absent.db").exists()


def test_migrate_makes_the_tables_and_repeats() -> None:
    for _ in range(2):
        result = run("migrate", "--db", "sqlite:///new.db", "--json")
        assert (result.exit_code, last_line(result.stdout)["migrated"]) == (0, True)

    assert "Nothing here yet" in run("home", "bob", "--db", "sqlite:///new.db").stdout


def test_a_password_is_not_shown() -> None:
    assert shown("postgresql+psycopg://ada:secret@db/app") == "postgresql+psycopg://ada@db/app"
    assert shown("sqlite:///social.db") == "sqlite:///social.db"


def test_check_reports_inboxes_in_order(social: str) -> None:
    result = run("check", "--db", social, "--sample", "10", "--json")

    assert result.exit_code == 0
    assert last_line(result.stdout)["ok"] is True


@pytest.mark.parametrize("path", ["hosts_module:feed", "hosts_module:make_feed"])
def test_a_hosts_own_feed_is_used(path: str, monkeypatch: pytest.MonkeyPatch) -> None:
    Path("hosts_module.py").write_text(HOSTS_MODULE)
    monkeypatch.delitem(sys.modules, "hosts_module", raising=False)
    with feedkit.connect("sqlite:///hosted.db", namespace="app") as feed:
        feed.publish("ada", text="From the host")

    assert "From the host" in run("--feed", path, "home", "ada").stdout


@pytest.mark.parametrize(
    ("path", "complaint"),
    [
        ("hosts_module", "must look like"),
        ("hosts_module:number", "neither a Feed"),
        ("hosts_module:wsgi", "neither a Feed"),
        ("hosts_module:absent", "cannot be found"),
        ("no_such_module:feed", "cannot be found"),
    ],
)
def test_a_feed_that_is_not_one_is_refused_in_one_line(
    path: str, complaint: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    Path("hosts_module.py").write_text(HOSTS_MODULE)
    monkeypatch.delitem(sys.modules, "hosts_module", raising=False)

    result = run("home", "ada", "--feed", path)

    assert result.exit_code == 1
    assert complaint in result.stderr
    assert len(result.stderr.splitlines()) == 1


def test_a_wired_feed_takes_no_other_database() -> None:
    result = run("home", "ada", "--feed", "hosts_module:feed", "--db", "sqlite:///other.db")

    assert (result.exit_code, "--feed" in result.stderr) == (1, True)


def test_keys_of_another_type_are_understood() -> None:
    with feedkit.connect("sqlite:///numbers.db", key=int) as feed:
        feed.publish(41, text="By number")

    assert "By number" in run("home", "41", "--db", "sqlite:///numbers.db", "--key", "int").stdout
    assert run("home", "41", "--db", "sqlite:///numbers.db", "--key", "str").exit_code == 1
    refused = run("home", "ada", "--db", "sqlite:///numbers.db", "--key", "int")
    assert (refused.exit_code, len(refused.stderr.splitlines())) == (1, 1)


@pytest.mark.parametrize("user", ["ada", 41, UUID(int=7)])
def test_keys_are_of_the_type_that_the_database_has(user: Any) -> None:
    with feedkit.connect("sqlite:///social.db", key=type(user)) as feed:
        feed.publish(user, text="By its own key")

    assert "By its own key" in run("home", str(user), "--db", "sqlite:///social.db").stdout
    assert run("migrate", "--db", "sqlite:///social.db").exit_code == 0
    assert run("check", "--db", "sqlite:///social.db").exit_code == 0


def test_a_key_type_may_be_chosen_when_the_tables_are_made() -> None:
    assert run("migrate", "--db", "sqlite:///new.db", "--key", "uuid").exit_code == 0

    refused = run("home", "ada", "--db", "sqlite:///new.db")
    assert "KEY must be UUID" in refused.stderr
    assert "'ada'" in refused.stderr


@pytest.mark.parametrize(
    ("url", "what", "reason"),
    [
        ("postgresql+psycopg://ada:secret@127.0.0.1:1/app", "could not be reached", "Connection refused"),
        ("sqlite:///absent/app.db", "target: there is no folder", "absent for the file of SQLite"),
    ],
)
def test_a_database_out_of_reach_says_why(url: str, what: str, reason: str) -> None:
    result = run("migrate", "--db", url)

    assert (result.exit_code, len(result.stderr.splitlines())) == (1, 1)
    assert what in result.stderr
    assert reason in result.stderr
    assert "secret" not in result.stderr


def test_another_kind_of_database_is_refused_by_its_name() -> None:
    result = run("migrate", "--db", "mysql://ada:secret@db/app")

    assert (result.exit_code, "postgresql+psycopg://" in result.stderr) == (1, True)
    assert "secret" not in result.stderr
    assert "not installed" not in result.stderr


def test_a_profile_counts_one_follower_as_one(social: str) -> None:
    assert "4 posts, 1 follower, 0 following" in " ".join(
        run("profile", "ada", "--db", social).stdout.split()
    )


def test_the_module_runs_as_the_command(social: str) -> None:
    result = _subprocess("-m", "feedkit.cli", "home", "bob", "--db", social, "--json")

    assert result.returncode == 0
    assert len(last_line(result.stdout)["items"]) == 6
    assert "Ada Lovelace" in result.stderr


def test_without_its_packages_the_command_says_what_to_install() -> None:
    code = "import sys; sys.modules['typer'] = None; from feedkit.cli import main; main()"

    result = _subprocess("-c", code)

    assert result.returncode == 2
    assert 'pip install "feedkit[cli]"' in result.stderr
    assert "Traceback" not in result.stderr


def test_a_terminal_that_knows_only_ascii_is_served(social: str) -> None:
    result = _subprocess("-m", "feedkit.cli", "home", "bob", "--db", social, encoding="ascii")

    assert result.returncode == 0
    assert "Ada Lovelace @ada" in result.stdout


def _subprocess(*arguments: str, encoding: str = "utf-8") -> subprocess.CompletedProcess[str]:
    environment = {**os.environ, "PYTHONPATH": os.pathsep.join(sys.path), "PYTHONIOENCODING": encoding}
    return subprocess.run(
        [sys.executable, *arguments], env=environment, capture_output=True, text=True, check=False
    )
