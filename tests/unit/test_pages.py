"""A page collapses reposts of one post into a line; what it leaves to the next page, and what to the next poll."""

from collections.abc import Sequence

import attrs
from hypothesis import given
from hypothesis import strategies as st

from feedkit.cursor import Cursor
from feedkit.model import Item, Post, User
from feedkit.reading.pages import FIRST_PAGE, Filled, fill
from feedkit.reading.sources import Empty

ADA = User(1, "ada")


@attrs.frozen
class Listed(Empty):
    """A feed of entries: position -> the post shown there, None where it is hidden."""

    entries: dict[int, int | None]

    def window(self, before: int, until: int, limit: int) -> list[int]:
        return sorted((p for p in self.entries if until < p < before), reverse=True)[:limit]

    def hydrate(self, positions: Sequence[int]) -> tuple[list[Item[str] | None], set[int]]:
        return [self._item(position, self.entries[position]) for position in positions], set()

    def _item(self, position: int, post_id: int | None) -> Item[str] | None:
        if post_id is None:
            return None
        by = User(position + 1000, f"by {position}")
        return Item(Post(post_id, post_id, 1, 0), ADA, position=position, reposted_by=(by,))


Feeds = st.dictionaries(st.integers(1, 60), st.none() | st.integers(1, 8), max_size=60)
Pages = st.lists(st.integers(1, 6), min_size=1)


def walked(feed: Listed, at: Cursor, limits: list[int], left_out: set[int]) -> list[Filled[str]]:
    pages: list[Filled[str]] = []
    cursor: Cursor | None = at
    while cursor is not None:
        pages.append(fill(feed, feed.hydrate, cursor, limits[len(pages) % len(limits)], 1000, left_out))
        cursor = pages[-1].next_cursor(cursor)
    return pages


@given(Feeds, Pages, st.sets(st.integers(1, 60), max_size=10))
def test_every_entry_stands_on_one_page_and_every_post_in_one_line_of_it(
    entries: dict[int, int | None], limits: list[int], left_out: set[int]
) -> None:
    feed = Listed(entries)
    pages = walked(feed, FIRST_PAGE, limits, left_out)

    # then each entry that shows is on exactly one page, in order
    shown = [p for p in sorted(entries, reverse=True) if entries[p] is not None and p not in left_out]
    assert [position for page in pages for position in page.positions] == shown
    for number, page in enumerate(pages):
        # every post once, where its newest entry is, brought by all who brought it, the latest first
        ids = [item.post.id for item in page.items]
        assert len(set(ids)) == len(ids)
        for item in page.items:
            its = [p for p in page.positions if entries[p] == item.post.id]
            assert item.position == its[0]
            assert [user.key for user in item.reposted_by] == [f"by {p}" for p in its]
        # a page is full, or the feed ends
        if number < len(pages) - 1:
            assert len(page.items) == limits[number % len(limits)]


@given(Feeds, Pages, st.dictionaries(st.integers(61, 90), st.integers(1, 8), max_size=20))
def test_what_is_newer_than_a_page_is_what_came_above_it(
    entries: dict[int, int | None], limits: list[int], later: dict[int, int | None]
) -> None:
    first = walked(Listed(entries), FIRST_PAGE, limits, set())[0]
    poll = first.newer_cursor(FIRST_PAGE)

    pages = walked(Listed({**entries, **later}), poll, limits, set())

    seen = [position for page in pages for position in page.positions]
    assert seen == sorted(later, reverse=True) if first.positions else set(later) <= set(seen)
