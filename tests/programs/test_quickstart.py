"""Program (a): the first thing that anybody types."""

from pathlib import Path

import pytest

import feedkit


def test_quickstart(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    with feedkit.connect("sqlite:///social.db") as feed:
        feed.follow("bob", "ada")
        post = feed.publish("ada", text="Hello, world")
        feed.react("bob", post.id, "like")
        feed.comment("bob", post.id, text="Nice")

        page = feed.home("bob", limit=20)
        seen = [
            (
                item.author.key,
                item.post.text,
                item.counts.reactions,
                item.counts.comments,
                *item.viewer.reacted,
            )
            for item in page
        ]
        while page.next_cursor:
            page = feed.home("bob", cursor=page.next_cursor)
        assert seen == [("ada", "Hello, world", 1, 1, "like")]
        assert "ada" in str(feed.explain("bob", post.id))

    with feedkit.connect("sqlite:///social.db") as feed:  # another day
        assert len(feed.home("bob")) == 1
