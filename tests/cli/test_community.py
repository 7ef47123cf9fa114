import subprocess
import sys
from collections import Counter

import pytest

from feedkit.cli.community import DAY_MS, DAYS, PEOPLE, generate
from feedkit.cli.stream import Followed, Joined, Posted, Stream

_DIGEST = (
    "import hashlib; from feedkit.cli.community import generate; "
    "print(hashlib.sha256(repr(list(generate(start_ms=0, seed=3).happenings)).encode()).hexdigest())"
)


@pytest.fixture(scope="module")
def stream() -> Stream:
    return generate(start_ms=1_000_000)


@pytest.fixture(scope="module")
def posts(stream: Stream) -> list[Posted]:
    return [one for one in stream.happenings if isinstance(one, Posted)]


def test_the_same_seed_gives_the_same_community_in_every_process() -> None:
    digests = {
        subprocess.run(
            [sys.executable, "-c", _DIGEST],
            env={"PYTHONHASHSEED": seed, "PYTHONPATH": ":".join(sys.path)},
            capture_output=True,
            text=True,
            check=True,
        ).stdout
        for seed in ("0", "1")
    }

    assert len(digests) == 1


def test_another_seed_gives_another_community() -> None:
    assert list(generate(start_ms=0, seed=1).happenings) != list(generate(start_ms=0, seed=2).happenings)


def test_everything_happens_in_order_within_its_days(stream: Stream) -> None:
    times = [one.at_ms for one in stream.happenings]

    assert times == sorted(times)
    assert times[0] == 1_000_000
    assert times[-1] - times[0] <= (DAYS + 1) * DAY_MS


def test_people_have_names_of_their_own(stream: Stream) -> None:
    people = [one for one in stream.happenings if isinstance(one, Joined)]

    assert len(people) == PEOPLE
    for names in ([one.key for one in people], [one.display_name for one in people]):
        assert len(set(names)) == PEOPLE


def test_a_reply_comes_after_what_it_answers(posts: list[Posted], stream: Stream) -> None:
    seen: set[str] = set()
    for post in posts:
        assert post.reply_to is None or post.reply_to in seen
        seen.add(post.source)

    assert stream.answered == {post.reply_to for post in posts if post.reply_to}
    assert len(stream.answered) > 500


def test_a_few_people_draw_most_followers(stream: Stream) -> None:
    followers = Counter(one.followee for one in stream.happenings if isinstance(one, Followed))

    top = sum(count for _, count in followers.most_common(PEOPLE // 20))
    assert top > 0.25 * followers.total()
    assert followers.most_common(1)[0][1] > 10 * sorted(followers.values())[len(followers) // 2]


def test_nobody_follows_themself_or_anyone_twice(stream: Stream) -> None:
    pairs = [(one.follower, one.followee) for one in stream.happenings if isinstance(one, Followed)]

    assert len(pairs) == len(set(pairs))
    assert all(follower != followee for follower, followee in pairs)


def test_texts_are_finished_sentences_and_hardly_repeat(posts: list[Posted]) -> None:
    assert not [post.text for post in posts if "{" in post.text]
    assert all(post.text[0].isupper() and post.text[-1] in ".?!" for post in posts)

    roots = Counter(post.text for post in posts if post.reply_to is None)
    assert roots.most_common(1)[0][1] == 1


def test_no_opener_comes_twice_within_a_page(posts: list[Posted]) -> None:
    for start in range(0, len(posts) - 20, 20):
        openers = Counter(post.text.split(".")[0] for post in posts[start : start + 20] if not post.reply_to)
        assert not [text for text, count in openers.items() if count > 1 and len(text) > 12]


def test_a_limit_counts_posts() -> None:
    stream = generate(start_ms=0, limit=25)

    assert stream.posts == sum(isinstance(one, Posted) for one in stream.happenings) == 25
