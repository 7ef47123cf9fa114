"""`feedkit import` and `feedkit reconcile`, as somebody types them."""

from pathlib import Path
from uuid import UUID

import pytest

import feedkit
from tests.cli.test_commands import last_line, run

DB = ("--db", "sqlite:///social.db", "--json")


@pytest.fixture(autouse=True)
def _here(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.delenv("FEEDKIT_DB", raising=False)


def write(name: str, *lines: str) -> str:
    Path(name).write_text("\n".join(lines) + "\n", encoding="utf-8")
    return name


def test_files_of_all_kinds_are_imported_and_the_same_again_changes_nothing() -> None:
    users = write("users.csv", "key,handle,private,created_at", "ada,ada,,2020-01-01T00:00:00Z", "bob,,true,")
    follows = write("follows.csv", "follower,followee,at", "bob,ada,2020-01-02T00:00:00Z", "eve,ada,")
    posts = write(
        "posts.jsonl",
        '{"author": "ada", "ref": "1", "at": "2020-01-03T00:00:00Z", "text": "Hello, \\"you\\"", "extra": {"a": [1]}}',
        '{"author": "bob", "ref": "2", "at": "2020-01-04T00:00:00+01:00", "text": "re", "reply_to_ref": "1"}',
    )
    for added in (2, 0):
        for kind, file in (("users", users), ("follows", follows), ("posts", posts)):
            done = run("import", kind, file, *DB)
            assert done.exit_code == 0, done.output
            assert (last_line(done.output)["rows"], last_line(done.output)["added"]) == (2, added)

    with feedkit.connect("sqlite:///social.db") as feed:
        assert [item.post.text for item in feed.home("bob")] == ["re", 'Hello, "you"']
        assert feed.users.get(["bob"])["bob"].private
        assert feed.home("eve").items[-1].post.extra == {"a": [1]}


def test_posts_of_a_csv_file_have_their_media_as_json() -> None:
    write(
        "posts.csv",
        "author,ref,at,text,media",
        '7,1,2020-01-03T00:00:00Z,"a, b","[{""url"": ""https://x""}]"',
    )
    done = run("import", "posts", "posts.csv", *DB, "--key", "int")
    assert done.exit_code == 0, done.output
    with feedkit.connect("sqlite:///social.db", key=int) as feed:
        (item,) = feed.profile(None, 7)
        assert (item.post.text, item.post.media[0].url) == ("a, b", "https://x")


@pytest.mark.parametrize(
    ("name", "kind", "lines", "says"),
    [
        ("f.csv", "follows", ["a,b", "x,y"], "follower, followee"),
        ("f.csv", "follows", ["follower,followee,at", "a,b,yesterday"], "2020-02-03T12:00:00Z"),
        ("f.csv", "follows", ["follower,followee,at", "a,b,2020-02-03T12:00:00"], "with its zone"),
        ("p.jsonl", "posts", ["{"], "line 1 must be JSON"),
        ("p.jsonl", "posts", ["[]"], "line 1 must be a JSON object"),
        ("p.jsonl", "posts", ['{"author": "a", "ref": "1", "text": "x"}'], "rows[0]"),
        ("u.csv", "users", ["key,private", "a,perhaps"], "true or false"),
    ],
)
def test_a_file_that_cannot_be_read_is_one_red_line(
    name: str, kind: str, lines: list[str], says: str
) -> None:
    write(name, *lines)
    done = run("import", kind, name, *DB)
    assert done.exit_code == 1
    assert says in " ".join(done.output.split())


def test_a_follow_table_is_reconciled_after_a_dry_run() -> None:
    ann, ben, cat = (UUID(int=n) for n in (1, 2, 3))
    with feedkit.connect("sqlite:///social.db", key=UUID) as feed:
        feed.follow(cat, ann)
    table = write("t.csv", "follower,followee", f"{ann},{ben}", f"{ben},{ann}")

    dry = last_line(run("reconcile", table, *DB, "--key", "uuid", "--dry-run").output)
    done = run("reconcile", table, *DB, "--key", "uuid")

    assert (dry["added"], dry["removed"], dry["dry_run"]) == (2, 1, True)
    assert dry["sample_removed"] == [[str(cat), str(ann)]]
    assert last_line(done.output)["added"] == 2
    with feedkit.connect("sqlite:///social.db", key=UUID) as feed:
        assert [user.key for user in feed.followers(ann, ann)] == [ben]
        assert not feed.following(cat, cat).items


def test_a_run_that_breaks_off_says_how_to_go_on() -> None:
    with feedkit.connect("sqlite:///social.db") as feed:
        feed.follow("a", "gone")
    table = write("t.csv", "follower,followee", "a,x", "b,x", "c,x", "b,y")

    broken = run("reconcile", table, *DB, "--chunk", "1")

    assert broken.exit_code == 1
    output = " ".join(broken.output.split())
    assert "ORDER BY follower" in output
    token = output.split("--resume '")[1].split("'")[0]
    write("t.csv", "follower,followee", "a,x", "b,x", "b,y", "c,x")
    done = last_line(run("reconcile", table, *DB, "--resume", token).output)
    assert (done["added"], done["removed"]) == (1, 1)
