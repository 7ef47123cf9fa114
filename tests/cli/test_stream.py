import gzip
from collections.abc import Sequence
from datetime import UTC, datetime
from pathlib import Path

import pytest

from feedkit.cli.stream import Followed, Posted, read_directory
from feedkit.clock import to_ms
from feedkit.errors import InvalidArgument
from tests.cli.conftest import WriteData


def test_posts_and_follows_come_in_time_order_and_a_follow_first_on_equal_times(
    write_data: WriteData,
) -> None:
    directory = write_data(
        [
            ("1", "2016-06-01T10:00:00.000Z", "ada", "", "first"),
            ("2", "2016-06-01T10:00:00.500Z", "bob", "1", "second"),
        ],
        [("bob", "ada", "2016-06-01T10:00:00.500Z"), ("eve", "ada", "2016-06-01T11:00:00.000Z")],
    )

    kinds = [type(happening) for happening in read_directory(directory).happenings]

    assert kinds == [Posted, Followed, Posted]  # and nothing after the last post


def test_every_field_is_raw(data: Path) -> None:
    posts = [one for one in read_directory(data).happenings if isinstance(one, Posted)]

    assert posts[0].text == '0 "never closed'
    assert posts[2].text == "2 bell\x07 and \x1b[31mred"
    assert posts[5].text == "5 a\rb"
    assert {post.author for post in posts} >= {'"quoted"', "{brace}%s", "a\u202eb"}


def test_times_are_read_to_the_millisecond(data: Path) -> None:
    first_two = [one for one in read_directory(data, limit=2).happenings if isinstance(one, Posted)]

    assert first_two[1].at_ms - first_two[0].at_ms == 20 * 60_000 + 1


def test_a_limit_counts_posts_and_keeps_the_follows_before_them(data: Path) -> None:
    stream = read_directory(data, limit=10)
    happenings = list(stream.happenings)

    posts = [one for one in happenings if isinstance(one, Posted)]
    assert stream.posts == len(posts) == 10
    assert happenings[-1] is posts[-1]
    assert any(isinstance(one, Followed) for one in happenings)


def test_a_limit_beyond_the_end_gives_everything(data: Path) -> None:
    assert read_directory(data, limit=10_000).posts == 96


def test_only_the_names_of_answered_posts_are_kept(data: Path) -> None:
    stream = read_directory(data)

    replies = {one.reply_to for one in stream.happenings if isinstance(one, Posted) and one.reply_to}
    assert stream.answered == replies
    assert len(replies) == 24


def test_a_missing_file_is_named(tmp_path: Path) -> None:
    with pytest.raises(InvalidArgument, match=r"posts\.tsv\.gz"):
        read_directory(tmp_path)


@pytest.mark.parametrize(
    ("post", "complaint"),
    [
        (("1", "2016-06-01T10:00:00.000Z", "ada"), "3 fields instead of 5"),
        (("1", "yesterday", "ada", "", "text"), "not an ISO 8601 time"),
        (("1", "2016-06-01T10:00:00", "ada", "", "no zone"), "naive|zone|aware"),
    ],
)
def test_a_row_that_is_not_as_described_is_refused(
    write_data: WriteData, post: Sequence[str], complaint: str
) -> None:
    directory = write_data([post], [])

    with pytest.raises(InvalidArgument, match=complaint):
        list(read_directory(directory).happenings)


def test_times_that_go_back_are_refused(write_data: WriteData) -> None:
    directory = write_data(
        [
            ("1", "2016-06-01T10:00:01.000Z", "ada", "", "later"),
            ("2", "2016-06-01T10:00:00.000Z", "ada", "", "earlier"),
        ],
        [],
    )

    with pytest.raises(InvalidArgument, match="not in time order"):
        list(read_directory(directory).happenings)


def test_other_columns_are_refused(data: Path) -> None:
    with gzip.open(data / "posts.tsv.gz", "wt") as file:
        file.write("id,text\n")

    with pytest.raises(InvalidArgument, match="must name post, time"):
        read_directory(data)


def test_an_empty_data_set_has_nothing_in_it(write_data: WriteData) -> None:
    stream = read_directory(write_data([], []))

    assert (stream.posts, list(stream.happenings)) == (0, [])


def test_ordinary_iso_times_are_understood(write_data: WriteData) -> None:
    directory = write_data([("1", "2016-06-01T12:00:00+02:00", "ada", "", "text")], [])

    (post,) = read_directory(directory).happenings

    assert post.at_ms == to_ms(datetime(2016, 6, 1, 10, tzinfo=UTC))
