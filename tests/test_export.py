"""Exports: everything of a feed, and what one person made, without what others keep from them."""

from __future__ import annotations

import io
import json
from collections import Counter
from datetime import timedelta
from pathlib import Path
from typing import Any
from uuid import UUID, uuid5

import pytest

import feedkit
from feedkit import ManualClock, NotFound
from feedkit.storage.sql.prepared import Prepared
from tests.cases.case_tools import START, opened

Line = dict[str, Any]


def lines(text: str) -> list[Line]:
    return [json.loads(line) for line in text.splitlines()]


def everything(feed: feedkit.Feed[Any]) -> list[Line]:
    file = io.StringIO()
    written = feed.export(file)
    found = lines(file.getvalue())
    assert found[0]["type"] == "feedkit"
    assert written == Counter(line["type"] for line in found[1:])
    return found[1:]


def of_user(feed: feedkit.Feed[Any], key: Any) -> list[Line]:
    file = io.StringIO()
    feed.export_user(key, file)
    return lines(file.getvalue())[1:]


def of(found: list[Line], kind: str) -> list[Line]:
    return [line for line in found if line["type"] == kind]


def relations(found: list[Line]) -> set[tuple[str, str | None]]:
    return {(line["kind"], line.get("key")) for line in of(found, "relation")}


def test_an_export_holds_what_people_made(backend_url: str) -> None:
    with opened(backend_url, clock=ManualClock(START)) as feed:
        # given
        feed.users.put("ada", display_name="Ada Lovelace")
        post = feed.publish(
            "ada", text="Hello \u2028 there", media=[{"url": "u"}], extra={"n": [1]}, ref="doc:1"
        )
        feed.publish("ada", text="later", at=START + timedelta(days=1))
        gone = feed.publish("ada", text="gone", reply_to=post.id)
        feed.delete("ada", gone.id)
        feed.edit("ada", post.id, text="Hello")
        feed.follow("bob", "ada")
        feed.mute("bob", "cyn")
        feed.react("bob", post.id, "like")
        feed.save("bob", post.id)
        feed.comment("bob", post.id, text="Nice")

        # when
        found = everything(feed)

    # then
    assert {line["key"]: line["display_name"] for line in of(found, "user")} == {
        "ada": "Ada Lovelace",
        "bob": None,
        "cyn": None,
    }
    first, later, deleted = of(found, "post")
    assert (first["id"], first["text"], first["extra"], first["ref"]) == (
        str(post.id),
        "Hello",
        {"n": [1]},
        "doc:1",
    )
    assert (later["status"], later["scheduled_at"]) == ("draft", "2026-01-02T00:00:00.000Z")
    assert (deleted["deleted_at"], deleted["reply_to"]) == ("2026-01-01T00:00:00.000Z", str(post.id))
    assert [line["text"] for line in of(found, "revision")] == ["Hello \u2028 there"]
    assert [line["post_id"] for line in of(found, "media")] == [str(post.id)]
    assert [line["text"] for line in of(found, "comment")] == ["Nice"]
    assert sorted(line["kind"] for line in of(found, "relation")) == [
        "follows",
        "mutes",
        "reacted:like",
        "saves",
    ]


def test_secrets_are_not_exported(backend_url: str) -> None:
    with opened(backend_url) as feed:
        feed.publish("ada", text="x", idempotency_key="a key of the host's")
        secret = feed.runtime().truth.read(feed.runtime().truth.install.cursor_keys)[0].secret
        file = io.StringIO()
        feed.export(file)

    assert "a key of the host's" not in file.getvalue()
    for spelt in (secret.hex(), repr(secret)[2:-1]):
        assert spelt not in file.getvalue()


def test_more_than_fits_in_memory_at_once_is_exported_once(backend_url: str) -> None:
    with opened(backend_url) as feed:
        for number in range(1203):
            feed.publish(f"user {number % 601}", text=f"{number}")

        found = everything(feed)

    assert sorted(int(line["text"]) for line in of(found, "post")) == list(range(1203))
    assert len({line["key"] for line in of(found, "user")}) == 601


def test_an_export_to_a_path_appears_when_it_is_whole(tmp_path: Path) -> None:
    with opened("memory://") as feed:
        feed.publish("ada", text="x")
        assert feed.export(tmp_path / "all.jsonl") == {"user": 1, "post": 1}
        assert feed.export_user("ada", str(tmp_path / "ada.jsonl")) == {"user": 1, "post": 1}
        with pytest.raises(OSError, match="absent"):
            feed.export(tmp_path / "absent" / "all.jsonl")

    assert sorted(path.name for path in tmp_path.iterdir()) == ["ada.jsonl", "all.jsonl"]
    assert len(lines((tmp_path / "all.jsonl").read_text(encoding="utf-8"))) == 3


@pytest.mark.parametrize("key_type", [int, UUID])
def test_keys_of_every_type_are_exported_as_text(key_type: type) -> None:
    key = 2**60 if key_type is int else uuid5(UUID(int=0), "ada")
    made: feedkit.Feed[Any] = feedkit.connect("memory://", key=key_type)
    with made as feed:
        feed.publish(key, text="x")

        assert of(everything(feed), "user")[0]["key"] == str(key)
        assert of(of_user(feed, key), "post")[0]["text"] == "x"


def test_what_cannot_be_decoded_is_exported_as_it_is(backend_url: str) -> None:
    with opened(backend_url) as feed:
        feed.publish("ada", text="x")
        truth = feed.runtime().truth
        table = truth._tables.posts
        spoil = truth._database.dialect.prepare(table.update().values(extra="{not JSON", created_at=-(2**62)))
        truth.write(spoil.run)

        (post,) = of(everything(feed), "post")

    assert (post["extra"], post["created_at"]) == ("{not JSON", -(2**62))


# one person


def test_a_persons_export_holds_their_own_drafts_and_all(backend_url: str) -> None:
    with opened(backend_url, clock=ManualClock(START)) as feed:
        feed.publish("ada", text="public")
        feed.publish("ada", text="mine", audience="only_me")
        feed.publish("ada", text="later", at=START + timedelta(days=1))
        removed = feed.publish("ada", text="removed")
        feed.staff("mod", reason="spam").remove(removed.id)
        feed.publish("bob", text="by somebody else")
        feed.block("ada", "eve")

        found = of_user(feed, "ada")

    assert [line["key"] for line in of(found, "user")] == ["ada"]
    written = sorted(of(found, "post"), key=lambda line: int(line["id"]))
    assert [line["text"] for line in written] == ["public", "mine", "later", "removed"]
    assert relations(found) == {("blocks", "eve")}
    assert of(found, "audit") == [], "what staff wrote is not theirs"


def test_a_persons_export_holds_of_others_what_they_may_see(backend_url: str) -> None:
    with opened(backend_url) as feed:
        # given
        seen = feed.publish("bob", text="seen")
        hidden = feed.publish("cyn", text="hidden later")
        gone = feed.publish("dan", text="gone later")
        for post in (seen, hidden, gone):
            feed.save("ada", post.id)
            feed.react("ada", post.id, "like")
        feed.follow("bob", "ada")
        feed.follow("dan", "ada")
        feed.mute("fay", "ada")

        # when
        feed.block("cyn", "ada")
        feed.delete("dan", gone.id)
        feed.staff("mod", reason="spam").suspend("dan")
        found = of_user(feed, "ada")

    # then
    text = json.dumps(found)
    assert "hidden later" not in text
    assert "gone later" not in text
    items = {line["to"]: line["item"] for line in of(found, "relation") if line["kind"] == "saves"}
    assert items[str(seen.id)]["post"]["text"] == "seen"
    assert items[str(hidden.id)] is items[str(gone.id)] is None
    kinds = {kind for kind, _ in relations(found)}
    assert kinds == {"saves", "reacted:like", "followed_by"}, "nobody learns who mutes or blocks them"
    assert ("followed_by", "bob") in relations(found)
    assert ("followed_by", "dan") not in relations(found)


def test_who_wants_no_reposts_is_told_to_nobody_else(backend_url: str) -> None:
    with opened(backend_url) as feed:
        # given
        feed.follow("bob", "ada", reposts=False)
        feed.users.put("ada", private=True)
        feed.follow("cyd", "ada", reposts=False)

        # when
        theirs, own = of_user(feed, "ada"), of_user(feed, "bob")

    # then
    assert relations(theirs) == {("followed_by", "bob"), ("requested_by", "cyd")}
    assert [line["data"] for line in of(theirs, "relation")] == [None, None]
    assert [line["data"] for line in of(own, "relation")] == [1]


def test_a_persons_export_holds_each_thing_once(backend_url: str) -> None:
    """Whatever became of it, and however many there are: more than one step of each kind."""
    clock = ManualClock(START)
    with opened(backend_url, clock=clock) as feed:
        # given
        posts = [feed.publish("ada", text=str(n), media=[{"url": f"https://x/{n}"}]) for n in range(510)]
        for post in posts[:20]:
            feed.edit("ada", post.id, text="again")
        for post in posts[::3]:
            feed.delete("ada", post.id)
        drafts = [feed.drafts.save("ada", text=f"draft {n}") for n in range(3)]
        feed.drafts.discard("ada", drafts[0].id)
        held = feed.publish("ada", text="held", hold=True)
        repost = feed.repost("ada", feed.publish("bob", text="theirs").id)
        few, many = feed.lists.create("ada", "few"), feed.lists.create("ada", "many")
        feed.lists.add("ada", few.id, ["cat"])
        feed.lists.add("ada", many.id, ["cat", "dan"])
        comment = feed.comment("ada", posts[1].id, text="and")

        # when
        found = of_user(feed, "ada")

    # then
    def met(kind: str, name: str = "id") -> list[str]:
        return sorted(line[name] for line in of(found, kind))

    everything = [post.id for post in (*posts, *drafts, held, repost)]
    assert met("post") == sorted(map(str, everything))
    assert met("media", "post_id") == sorted(str(post.id) for post in posts)
    assert met("revision", "post_id") == sorted(str(post.id) for post in posts[:20])
    assert met("list") == sorted([str(few.id), str(many.id)])
    assert met("comment") == [str(comment.id)]
    on_lists = [(line["from"], line["key"]) for line in of(found, "relation") if line["kind"] == "lists"]
    assert sorted(on_lists) == sorted([(str(few.id), "cat"), (str(many.id), "cat"), (str(many.id), "dan")])
    assert [line["type"] for line in found] == sorted(
        (line["type"] for line in found),
        key=["user", "list", "relation", "post", "media", "revision", "comment"].index,
    )


def test_what_is_published_while_it_is_exported_is_in_it_once(backend_url: str) -> None:
    # given
    with opened(backend_url, clock=ManualClock(START)) as feed:
        feed.publish("ada", text="first")
        draft = feed.drafts.save("ada", text="second")

        class Reading(io.StringIO):
            """Publishes the draft as soon as it was written."""

            def write(self, text: str, /) -> int:
                if '"second"' in text:
                    feed.drafts.publish("ada", draft.id)
                return super().write(text)

        # when
        file = Reading()
        feed.export_user("ada", file)

    # then
    assert [line["text"] for line in of(lines(file.getvalue()), "post")] == ["second", "first"]


def test_a_persons_export_looks_at_what_is_theirs_alone(monkeypatch: pytest.MonkeyPatch) -> None:
    """Every statement is a step of an index, in order, however much there is of others."""
    plans: list[str] = []
    execute = Prepared._execute

    def explaining(self: Any, tx: Any, method: str, bound: Any) -> Any:
        plan = tx.cursor().execute(f"EXPLAIN QUERY PLAN {self._sql}", bound).fetchall()
        plans.extend(step for *_, step in plan)
        return execute(self, tx, method, bound)

    with opened("memory://") as feed:
        feed.publish("ada", text="one", media=[{"url": "https://x/1"}])
        feed.edit("ada", feed.drafts.publish("ada", feed.drafts.save("ada", text="x").id).id, text="two")
        feed.lists.add("ada", feed.lists.create("ada", "few").id, ["cat"])
        feed.drain()
        monkeypatch.setattr(Prepared, "_execute", explaining)
        of_user(feed, "ada")
    made = ("_rows", "highest", "merged", "kinds_", "SCAN one")  # of the statement itself
    small = (*made, "feedkit_meta", "feedkit_consumers")
    assert not [step for step in plans if "SCAN" in step and not any(name in step for name in small)]
    assert [step for step in plans if "by_author_id_id" in step]


def test_nobody_who_was_never_met_has_an_export(tmp_path: Path) -> None:
    with opened("memory://") as feed:
        with pytest.raises(NotFound, match="key"):
            feed.export_user("nobody", tmp_path / "x")
        assert feed.users.get(["nobody"]) == {}
    assert list(tmp_path.iterdir()) == []
