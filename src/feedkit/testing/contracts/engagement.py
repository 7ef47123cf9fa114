"""What every store of reactions and saves keeps."""

from collections.abc import Callable

from feedkit.ids import MAX_ID
from feedkit.idset import idset
from feedkit.model import Assoc, Audience, Comment, Count, Own, Post
from feedkit.storage.base import COUNTED, REACTED, REACTED_BY, Truth, Tx
from feedkit.storage.engaging import Mark
from feedkit.testing.contracts._truth import NOW_MS, TruthSuite, post, read, store, waits, write

ADA, BOB, CEM = 1, 2, 3
TOP: Mark = (MAX_ID, MAX_ID)


class EngagementStoreContract(TruthSuite):
    """The laws of `EngagementStore`."""

    def test_a_reaction_is_stored_once_and_removed_once(self, truth: Truth) -> None:
        held = truth.engagement.held
        assert write(truth, truth.engagement.add, ADA, "love", 10, NOW_MS)
        assert not write(truth, truth.engagement.add, ADA, "love", 10, NOW_MS + 5)
        assert write(truth, truth.engagement.add, ADA, "like", 10, NOW_MS + 1)
        assert write(truth, truth.engagement.add, BOB, "love", 10, NOW_MS)
        assert read(truth, held, ADA, 10) == ["love", "like"], "the oldest first"
        assert write(truth, truth.engagement.remove, ADA, "love", 10)
        assert not write(truth, truth.engagement.remove, ADA, "love", 10)
        assert read(truth, held, ADA, 10) == ["like"]
        assert read(truth, held, BOB, 10) == ["love"]

    def test_what_one_viewer_did_to_many(self, truth: Truth) -> None:
        react(truth, (ADA, "like", 10), (ADA, "like", 11), (BOB, "like", 12))
        truth.write(lambda tx: truth.graph.add(tx, ADA, Assoc.SAVES, 11, NOW_MS))
        truth.write(lambda tx: truth.graph.add(tx, ADA, Assoc.SAVES, 13, NOW_MS))
        assert read(truth, truth.engagement.own, ADA, [10, 11, 12, 13, 14]) == {
            10: Own(("like",)),
            11: Own(("like",), saved=True),
            13: Own(saved=True),
        }

    def test_reactions_are_walked_from_the_newest_on(self, truth: Truth) -> None:
        # given
        for n in range(12):
            at_ms = NOW_MS + n // 4
            write(truth, truth.engagement.add, ADA, "like" if n % 2 else "love", 10 + n, at_ms)
        everything = [(NOW_MS + n // 4, 10 + n) for n in reversed(range(12))]

        # then
        for step in (1, 5, 12, 20):
            walked: list[Mark] = []
            while found := read(
                truth, truth.engagement.newest_of_kinds, ADA, REACTED, walked[-1] if walked else TOP, step
            ):
                assert len(found) <= step
                walked += [(at, other) for at, other in found]
            assert walked == everything
        likes = read(truth, truth.engagement.newest, ADA, REACTED + "like", TOP, 3)
        assert [tuple(one) for one in likes] == everything[::2][:3]

    def test_who_reacted_twice_at_one_moment_is_met_once(self, truth: Truth) -> None:
        react(truth, (BOB, "like", 10), (BOB, "love", 10), (CEM, "like", 10))
        write(truth, truth.engagement.add, BOB, "wow", 10, NOW_MS + 7)
        people = read(truth, truth.engagement.newest_of_kinds, 10, REACTED_BY, TOP, 10)
        assert [tuple(one) for one in people] == [(NOW_MS + 7, BOB), (NOW_MS, CEM), (NOW_MS, BOB)]
        last = read(truth, truth.engagement.last, 10, REACTED_BY, [ADA, BOB, CEM])
        assert last == {BOB: NOW_MS + 7, CEM: NOW_MS}

    def test_how_much_of_the_counters_comes_from_some(self, truth: Truth) -> None:
        # given
        react(truth, (BOB, "like", 10), (BOB, "love", 10), (CEM, "like", 10), (BOB, "like", 100))
        store(truth, post(10, ADA), post(11, ADA))
        store(
            truth,
            counted(truth, post(20, BOB, reply_to=10)),
            counted(truth, post(21, CEM, reply_to=10)),
            counted(truth, post(22, BOB, repost_of=10)),
            counted(truth, post(23, BOB, quote_of=11)),
            post(24, BOB, reply_to=10, audience=Audience.FOLLOWERS),
        )

        def comment(tx: Tx) -> None:
            truth.comments.insert(tx, Comment(100, 10, BOB, NOW_MS, "", path=(100,)))
            truth.comments.insert(tx, Comment(101, 10, BOB, NOW_MS, "", parent_id=100, path=(100, 101)))
            truth.comments.insert(tx, Comment(102, 10, CEM, NOW_MS, "", parent_id=100, path=(100, 102)))
            truth.comments.insert(tx, Comment(103, 11, BOB, NOW_MS, "", path=(103,)))
            truth.comments.delete(tx, 103, NOW_MS)

        truth.write(comment)

        # then
        def less(kinds: list[Count], objects: list[int], on_post: int = 0) -> dict[int, dict[str, int]]:
            wanted = dict.fromkeys(kinds, objects)
            return truth.read(
                lambda tx: truth.engagement.of_people(tx, wanted, idset([BOB, 77]), on_post=on_post)
            )

        everything = [Count.REACTIONS, Count.COMMENTS, Count.REPLIES, Count.REPOSTS, Count.QUOTES]
        assert less(everything, [10, 11, 12]) == {
            10: {REACTED + "like": 1, REACTED + "love": 1, "comments": 2, "replies": 1, "reposts": 1},
            11: {"quotes": 1},
        }
        assert less([Count.REACTIONS], [11]) == {}
        assert less([Count.REACTIONS, Count.REPLIES], [100], on_post=10) == {
            100: {REACTED + "like": 1, "replies": 1}
        }

    def test_what_one_person_does_waits(self, shared: Truth) -> None:
        def lock(actor_id: int) -> Callable[[Tx], None]:
            return lambda tx: shared.engagement.lock(tx, actor_id)

        assert waits(shared, lock(ADA), lock(ADA))
        assert not waits(shared, lock(ADA), lock(BOB))


def react(truth: Truth, *reactions: tuple[int, str, int]) -> None:
    """Store reactions of one moment: (who, kind, to what)."""

    def work(tx: Tx) -> None:
        for actor_id, kind, target_id in reactions:
            truth.engagement.add(tx, actor_id, kind, target_id, NOW_MS)

    truth.write(work)


def counted(truth: Truth, answer: Post) -> Post:
    """An answer that what it answers counts."""
    write(truth, truth.counts.add, {(answer.id, COUNTED): 1})
    return answer
