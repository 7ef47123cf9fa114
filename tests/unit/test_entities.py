"""Tags and mentions: where a text names one, and what comes to the same."""

import time
import unicodedata

import pytest
from hypothesis import given
from hypothesis import strategies as st

from feedkit import InvalidArgument
from feedkit.writing.entities import TAG_MAX_CHARS, canonical_tag, checked_tag, parsed

HOSTILE = ["#", "@", "#a", "@a", "@.", "@a.-", "a", "_", "\u0301", "#\u0301", "@.#", "\u200d", "ﷺ", "#ﷺ"]
Texts = st.text(st.sampled_from("#@\uff03\uff20 .-_/&a1ßŁ\u0301\u200d\u0939\u093f😀\n")) | st.text()


def found(text: str, tags_max: int = 50, mentions_max: int = 50) -> list[tuple[str, str, str]]:
    return [
        (one.kind, text[one.start : one.end], one.value) for one in parsed(text, tags_max, mentions_max, 64)
    ]


@pytest.mark.parametrize(
    ("text", "tags"),
    [
        ("#Python is fun", {"#Python": "python"}),
        ("(#one),#two;", {"#one": "one", "#two": "two"}),
        ("#STRASSE #straße", {"#STRASSE": "strasse", "#straße": "strasse"}),
        ("\uff03\uff30\uff39", {"\uff03\uff30\uff39": "py"}),
        ("#हिन्दी #ไทยแลนด์ #日本語", {"#हिन्दी": "हिन्दी", "#ไทยแลนด์": "ไทยแลนด์", "#日本語": "日本語"}),
        ("#cafe\u0301", {"#cafe\u0301": "café"}),
        ("#snake_case #1st", {"#snake_case": "snake_case", "#1st": "1st"}),
        ("#a#b", {"#a": "a"}),
        ("😀#joy😀", {"#joy": "joy"}),
        ("# #! ## ##x #123 #_ a#b /#c &#39; https://x.org/p#part", {}),
        ("#" + "x" * (TAG_MAX_CHARS + 1), {}),
        ("#" + "ﷺ", {}),  # its canonical form has spaces in it
    ],
)
def test_tags(text: str, tags: dict[str, str]) -> None:
    assert found(text) == [("tag", sign, value) for sign, value in tags.items()]


@pytest.mark.parametrize(
    ("text", "handles"),
    [
        ("@ada, @bob.", ["ada", "bob"]),
        ("(@a.b-c)", ["a.b-c"]),
        ("\uff20Zoë!", ["Zoë"]),
        ("@ada@example.org", ["ada"]),
        ("ada@example.org @ @. @- @@x /@y", []),
        ("@" + "x" * 65, []),
    ],
)
def test_mentions(text: str, handles: list[str]) -> None:
    assert [value for _, _, value in found(text)] == handles


def test_what_is_over_a_bound_stays_plain_text() -> None:
    assert found("#a @x #b @y #c", tags_max=2, mentions_max=1) == [
        ("tag", "#a", "a"),
        ("mention", "@x", "x"),
        ("tag", "#b", "b"),
    ]
    assert found("#a @x", 0, 0) == []


@given(Texts)
def test_offsets_are_those_of_characters_in_order_and_apart(text: str) -> None:
    end = 0
    for one in parsed(text, 1000, 1000, 64):
        assert end <= one.start < one.end <= len(text)
        assert unicodedata.normalize("NFKC", text[one.start]) == {"tag": "#", "mention": "@"}[one.kind]
        word = text[one.start + 1 : one.end]
        assert one.value == (canonical_tag(word) if one.kind == "tag" else word)
        end = one.end


@given(Texts)
def test_the_canonical_form_is_that_of_every_spelling(word: str) -> None:
    tag = canonical_tag(word)
    if tag is not None:
        assert canonical_tag(tag) == tag == checked_tag("#" + word)
        for spelling in (word.upper(), word.lower(), unicodedata.normalize("NFD", word)):
            assert canonical_tag(spelling) in (tag, None), "None: it has become too long"
        assert [one.value for one in parsed(f"#{tag}", 1, 1, 64)] == [tag]


@pytest.mark.parametrize(
    "tag", [None, 5, b"x", "", "#", "two words", "1234", "x" * 101, "a" * 10**6, "\ud800"]
)
def test_what_is_no_tag_is_refused(tag: object) -> None:
    with pytest.raises(InvalidArgument, match="tag must be"):
        checked_tag(tag)


@pytest.mark.parametrize("part", HOSTILE, ids=ascii)
def test_time_is_linear_in_the_text(part: str) -> None:
    def seconds(times: int) -> float:
        text = part * times
        started = time.thread_time()
        parsed(text, 50, 50, 64)
        return time.thread_time() - started

    seconds(1000)
    short, long = (min(seconds(times) for _ in range(3)) for times in (5_000, 80_000))
    assert long < 16 * short * 4 + 0.05
