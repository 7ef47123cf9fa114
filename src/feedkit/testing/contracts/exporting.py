"""What every store of exports keeps."""

from feedkit.ids import MAX_ID
from feedkit.model import Assoc, Comment, Media, PostStatus, Revision, UserList
from feedkit.storage.base import Truth, Tx
from feedkit.storage.exporting import Row
from feedkit.storage.lives import Act
from feedkit.testing.contracts._truth import NOW_MS, TruthSuite, post, read, write

ADA, BOB = 1, 2


class ExportStoreContract(TruthSuite):
    """The laws of `ExportStore`."""

    def test_every_row_is_met_once_whatever_the_steps(self, truth: Truth) -> None:
        fill(truth)
        for noun in truth.export.nouns:
            whole = read(truth, truth.export.after, noun, None, 1000)
            assert whole, f"nobody has made any {noun} in this test"
            for step in (1, 3):
                walked: list[Row] = []
                while rows := read(truth, truth.export.after, noun, walked[-1] if walked else None, step):
                    assert len(rows) <= step
                    walked += rows
                assert walked == whole

    def test_the_parts_of_what_one_person_made_are_theirs_alone(self, truth: Truth) -> None:
        fill(truth)
        assert [row["id"] for row in whole_part(truth, "user", ADA)] == [ADA]
        assert [row["id"] for row in whole_part(truth, "posts", ADA)] == [10, 11]
        assert [row["id"] for row in whole_part(truth, "posts", ADA, before=11)] == [10]
        assert [row["id"] for row in whole_part(truth, "replies", ADA)] == [14, 15]
        assert [row["id"] for row in whole_part(truth, "replies", ADA, before=15)] == [14]
        assert [row["id"] for row in whole_part(truth, "draft", ADA)] == [12]
        assert [row["id"] for row in whole_part(truth, "withdrawn", ADA)] == [13]
        assert [row["id"] for row in whole_part(truth, "comment", ADA)] == [40]
        assert [row["id"] for row in whole_part(truth, "list", ADA)] == [70]
        links = [(row["kind"], row["id2"]) for row in whole_part(truth, "relation", ADA)]
        assert links == [(Assoc.FOLLOWED_BY, BOB), (Assoc.FOLLOWS, BOB)]
        assert [row["id2"] for row in whole_part(truth, "relation", 70)] == [BOB]
        assert [row["post_id"] for row in whole_part(truth, "media", [10, 11, 12])] == [10, 10]
        assert [row["post_id"] for row in whole_part(truth, "revision", [10, 20])] == [10]


def whole_part(truth: Truth, part: str, whose: int | list[int], before: int = MAX_ID) -> list[Row]:
    """All rows of a part, walked one by one."""
    walked: list[Row] = []

    def following(tx: Tx) -> list[Row]:
        return truth.export.part_after(tx, part, whose, walked[-1] if walked else None, 1, before=before)

    while rows := truth.read(following):
        walked += rows
    return walked


def fill(truth: Truth) -> None:
    """Some of everything, by two people."""
    pictures = (Media("a.jpg"), Media("b.jpg"))

    def work(tx: Tx) -> None:
        truth.users.add(tx, {ADA: b"ada", BOB: b"bob"}, NOW_MS)
        truth.posts.insert(tx, post(10, ADA, media=pictures))
        truth.posts.insert(tx, post(11, ADA))
        truth.posts.insert(tx, post(12, ADA, position=0, status=PostStatus.DRAFT))
        truth.posts.insert(tx, post(13, ADA, status=PostStatus.REMOVED))
        truth.posts.insert(tx, post(14, ADA, reply_to=20))
        truth.posts.insert(tx, post(15, ADA, reply_to=10))
        truth.posts.insert(tx, post(20, BOB, media=pictures))
        truth.lives.add_revision(tx, 10, Revision(0, "before", (), "{}", NOW_MS))
        truth.comments.insert(tx, Comment(40, 20, ADA, NOW_MS, "", path=(40,)))
        truth.comments.insert(tx, Comment(41, 10, BOB, NOW_MS, "", path=(41,)))
        truth.lists.insert(tx, UserList(70, "close", NOW_MS), ADA)
        truth.graph.add(tx, 70, Assoc.LISTS, BOB, NOW_MS)
        truth.graph.add(tx, ADA, Assoc.FOLLOWS, BOB, NOW_MS)
        truth.graph.add(tx, BOB, Assoc.FOLLOWS, ADA, NOW_MS)

    truth.write(work)
    write(truth, truth.journals.audit, Act(1, "sam", "suspend", BOB, "spam", NOW_MS))
