"""What every store of many rows at once keeps."""

from collections.abc import Iterable

import numpy as np
import pytest

from feedkit.ids import MAX_ID
from feedkit.idset import Ids, idset
from feedkit.model import Assoc, Audience, Count, Media
from feedkit.storage.base import Truth, Tx
from feedkit.storage.bulk import Links, NewPosts, NewUser, RefTaken
from feedkit.storage.selections import Span
from feedkit.testing.contracts._truth import NOW_MS, TruthSuite, post, read, store, waits, write


class BulkStoreContract(TruthSuite):
    """The laws of `BulkStore`: what it writes is what the small stores would have written."""

    def test_users_whose_id_or_key_is_there_are_left_as_they_are(self, truth: Truth) -> None:
        # given
        write(truth, truth.users.add, {1: b"ada"}, NOW_MS)
        write(truth, truth.users.patch, 1, {"handle": "ada"})

        # when
        new = [
            NewUser(
                4, b"dot", NOW_MS, handle="dot", display_name="Dot", time_zone="Europe/Vienna", private=1
            ),
            NewUser(1, b"eve", NOW_MS),
            NewUser(3, b"ada", NOW_MS),
            NewUser(2, b"bob", NOW_MS),
        ]
        assert write(truth, truth.bulk.insert_users, new) == 2

        # then
        assert sorted(read(truth, truth.bulk.known, [1, 2, 3, 4])) == [1, 2, 4]
        stored = read(truth, truth.users.get_many, [1, 4])
        assert sorted((user.key, user.handle, user.display_name, user.private) for user in stored) == [
            (b"ada", "ada", None, 0),
            (b"dot", "dot", "Dot", 1),
        ]

    def test_users_are_walked_by_key_and_by_id(self, truth: Truth) -> None:
        write(truth, truth.users.add, {9: b"a", 8: b"b", 7: b"c", 6: b"d"}, NOW_MS)
        between = truth.bulk.users_between
        assert read(truth, between, b"", None, 3) == [(b"a", 9), (b"b", 8), (b"c", 7)]
        assert read(truth, between, b"a", b"c", 10) == [(b"b", 8), (b"c", 7)]
        assert read(truth, between, b"d", None, 10) == []
        write(truth, truth.users.add, {11: None, 12: None}, NOW_MS)
        assert read(truth, between, 10, None, 10) == [(11, 11), (12, 12)]
        assert read(truth, between, 10, 11, 10) == [(11, 11)]

    def test_links_are_written_looked_up_and_removed(self, truth: Truth) -> None:
        # given
        pairs = [(1, 2), (2, 1), (3, 1), (5, 4)]
        links = Links(column(a for a, _ in pairs), column(b for _, b in pairs), column(range(100, 104)))

        def insert(tx: Tx) -> None:
            truth.bulk.hold_graph(tx)
            truth.bulk.insert_links(tx, Assoc.FOLLOWS, links)
            truth.bulk.insert_links(tx, Assoc.FOLLOWED_BY, links.turned())

        # when
        truth.write(insert)

        # then
        asked = Links(column([1, 1, 4, 3]), column([2, 3, 5, 1]), column([0] * 4))
        there, back = write(truth, truth.bulk.standing, asked)
        assert there.tolist() == [True, False, False, True]
        assert back.tolist() == [101, 102, 103, -1]
        id1, id2 = read(truth, truth.bulk.from_each, idset([1, 3, 6]), Assoc.FOLLOWED_BY)
        assert sorted(zip(id1.tolist(), id2.tolist(), strict=True)) == [(1, 2), (1, 3)]
        assert read(truth, truth.graph.newest, 1, Assoc.FOLLOWED_BY, (MAX_ID, MAX_ID), 10) == [
            (102, 3),
            (101, 2),
        ]

        def delete(tx: Tx) -> None:
            truth.bulk.hold_graph(tx)
            truth.bulk.delete_links(tx, Assoc.FOLLOWS, [(3, 1), (1, 2)])
            truth.bulk.delete_links(tx, Assoc.FOLLOWS, [])

        truth.write(delete)
        there, _ = write(truth, truth.bulk.standing, asked)
        assert not there.any()

    def test_counters_grow_by_deltas(self, truth: Truth) -> None:
        followers = Count.FOLLOWERS.value
        write(truth, truth.counts.add, {(1, followers): 5})
        write(truth, truth.bulk.add_counts, followers, column([1, 2, 3]), column([2, 2**40, -1]))
        write(truth, truth.bulk.add_counts, followers, column([5, 6]), column([9, 0]))
        write(truth, truth.bulk.add_counts, followers, column([5]), column([-2]))
        write(truth, truth.bulk.add_counts, followers, column([]), column([]))
        stored = read(truth, truth.counts.get_many, [1, 2, 3, 5, 6])
        assert [stored[n][followers] for n in (1, 2, 3, 5, 6)] == [7, 2**40, -1, 7, 0]
        assert sorted(read(truth, truth.bulk.counted_above, Count.FOLLOWERS, idset([1, 2, 3, 4]), 6)) == [
            1,
            2,
        ]
        assert read(truth, truth.bulk.counted_above, Count.FOLLOWERS, idset([1]), 7) == []

    def test_posts_are_those_that_would_have_been_published(self, truth: Truth) -> None:
        # given
        picture = Media("a.jpg", width=5)
        store(truth, post(10, ref="old"), post(11, repost_of=10))
        new = NewPosts(
            positions=[20, 21],
            author_ids=[9, 8],
            times=[NOW_MS, NOW_MS + 1],
            refs=["doc:1", "doc:2"],
            texts=["ünï", ""],
            reply_to={1: 10},
            further={1: {"media": (picture,), "audience": Audience.FOLLOWERS, "extra": '{"a":1}'}},
        )

        # when
        def work(tx: Tx) -> None:
            truth.bulk.hold_positions(tx)
            truth.bulk.insert_posts(tx, new)
            truth.bulk.insert_tags(tx, [("cats", 20, 20), ("art", 20, 20)])
            truth.bulk.insert_tags(tx, [])

        truth.write(work)

        # then
        posts, undecoded = read(truth, truth.posts.get_many, [20, 21])
        assert undecoded == 0
        assert sorted(posts, key=lambda one: one.id) == [
            post(20, 9, ref="doc:1", text="ünï", published_ms=NOW_MS),
            post(
                21,
                8,
                created_ms=NOW_MS + 1,
                published_ms=NOW_MS + 1,
                ref="doc:2",
                reply_to=10,
                media=(picture,),
                audience=Audience.FOLLOWERS,
                extra_json='{"a":1}',
            ),
        ]
        assert read(truth, truth.bulk.by_refs, ["doc:2", "old", "none"]) == {"doc:2": (21, 8), "old": (10, 9)}
        assert sorted(read(truth, truth.bulk.existing_posts, [10, 11, 12, 20])) == [10, 20]
        assert read(truth, truth.selections.tagged, "cats", Span(MAX_ID, 0, 10)) == [20]

    def test_a_ref_that_is_taken_is_told_and_nothing_is_stored(self, truth: Truth) -> None:
        store(truth, post(10, ref="old"))
        new = NewPosts([20, 21], [9, 9], [NOW_MS] * 2, ["new", "old"], ["", ""], {}, {})
        with pytest.raises(RefTaken):
            write(truth, truth.bulk.insert_posts, new)
        assert read(truth, truth.bulk.by_refs, ["new", "old"]) == {"old": (10, 9)}

    def test_who_is_private(self, truth: Truth) -> None:
        users = [NewUser(n, b"%d" % n, NOW_MS, private=n % 2) for n in (101, 102, 103)]
        write(truth, truth.bulk.insert_users, users)
        assert read(truth, truth.bulk.private_among, idset([101, 102, 104])).tolist() == [101]
        assert read(truth, truth.bulk.private_among, idset([])).tolist() == []

    def test_who_holds_the_graph_is_waited_for(self, shared: Truth) -> None:
        assert waits(shared, shared.bulk.hold_graph, lambda tx: shared.graph.lock_pair(tx, 1, 2))

    def test_who_holds_the_positions_is_alone_with_them(self, shared: Truth) -> None:
        def work(tx: Tx) -> None:
            shared.bulk.hold_positions(tx)
            assert write(shared, shared.lives.claim_due, NOW_MS, 1) is None

        shared.write(work)
        assert waits(shared, shared.bulk.hold_positions, shared.bulk.hold_positions)


def column(values: Iterable[int]) -> Ids:
    """A column of int64, in the order that was given."""
    return np.array(list(values), dtype=np.int64)
