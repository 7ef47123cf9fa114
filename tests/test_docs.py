"""The documents are true: their code runs, their links lead somewhere, and nothing public is left out."""

import inspect
import re
import shlex
import subprocess
import sys
import tomllib
from collections.abc import Iterator
from operator import attrgetter
from pathlib import Path
from typing import Any
from unittest import SkipTest

import pytest
from sybil import Document, Sybil
from sybil.parsers.markdown import PythonCodeBlockParser, SkipParser
from typer.main import get_command

import feedkit
from feedkit.cli.app import app
from feedkit.verbs.base import Noun
from tests import settings_page

ROOT = Path(__file__).parents[1]
SOURCE = ROOT / "src" / "feedkit"
ELSEWHERE = {"conftest.py", "env.py", "docs/decisions/NNN-title.md"}  # files of whoever reads, and a pattern
PAGES = sorted([*ROOT.glob("*.md"), *(ROOT / "docs").rglob("*.md")])
SYBIL = Sybil(parsers=[PythonCodeBlockParser(), SkipParser()])

FENCE = re.compile(r"^```(\w+)\n(.*?)^```$", re.MULTILINE | re.DOTALL)
LINK = re.compile(r"\[[^\]]*\]\(([^)\s]+)\)")
HEADING = re.compile(r"^#+ (.+)$", re.MULTILINE)

every_page = pytest.mark.parametrize("page", PAGES, ids=lambda page: str(page.relative_to(ROOT)))


@every_page
def test_the_python_code_runs(page: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """All of a page's blocks in one namespace. `<!-- skip: next "why" -->` leaves one out."""
    monkeypatch.chdir(tmp_path)
    document = SYBIL.parse(page)
    try:
        for example in document.examples():
            _evaluate(example)
    finally:
        _close_feeds(document.namespace)


def _evaluate(example: Any) -> None:
    try:
        example.evaluate()
    except SkipTest:  # only this block: the page goes on without it
        return
    except Exception as error:
        error.add_note(f"{example.path}, line {example.line}")
        raise


def _close_feeds(namespace: dict[str, Any]) -> None:
    for value in namespace.values():
        if isinstance(value, feedkit.Feed):
            value.close()


def test_the_tests_of_the_page_on_testing_pass_under_pytest(tmp_path: Path) -> None:
    blocks = [code for _, code in fenced(ROOT / "docs" / "testing.md", "python")]
    (tmp_path / "conftest.py").write_text(next(code for code in blocks if "pytest_plugins" in code))
    (tmp_path / "test_app.py").write_text(next(code for code in blocks if "def test_" in code))

    run = subprocess.run(
        [sys.executable, "-m", "pytest", "-q", "-p", "no:cacheprovider", "-W", "error", "."],
        cwd=tmp_path,
        capture_output=True,
        text=True,
        check=False,
    )

    assert run.returncode == 0, run.stdout + run.stderr
    assert "2 passed" in run.stdout


# Commands


def fenced(page: Path, *languages: str) -> list[tuple[str, str]]:
    """(language, text) of the fenced blocks in these languages."""
    found = FENCE.findall(page.read_text(encoding="utf-8"))
    return [(language, text) for language, text in found if language in languages]


def shell_commands() -> Iterator[tuple[str, list[str]]]:
    """(page, words) of every line that a reader is told to type, and of every command named in running text."""
    for page in PAGES:
        text = page.read_text(encoding="utf-8")
        lines = [line for _, block in fenced(page, "sh", "console") for line in block.splitlines()]
        lines += re.findall(r"`((?:feedkit|make) [^`]+)`", FENCE.sub("", text))
        for line in lines:
            if words := shlex.split(line.removeprefix("$ "), comments=True):
                yield str(page.relative_to(ROOT)), words


def test_every_feedkit_command_exists_with_its_options() -> None:
    commands: dict[str, Any] = get_command(app).commands  # type: ignore[attr-defined]
    seen = 0
    for page, words in shell_commands():
        if words[0] != "feedkit":
            continue
        seen += 1
        name = next(word for word in words[1:] if not word.startswith("-"))
        assert name in commands, f"{page}: {shlex.join(words)}"
        options = {option for parameter in commands[name].params for option in parameter.opts}
        unknown = {word for word in words if word.startswith("--")} - options
        assert not unknown, f"{page}: {shlex.join(words)}"
    assert seen > 5


def test_every_make_target_exists() -> None:
    targets = set(re.findall(r"^([a-z]+):", (ROOT / "Makefile").read_text(encoding="utf-8"), re.MULTILINE))
    named = {words[1] for _, words in shell_commands() if words[0] == "make"}
    assert {"demo", "test"} <= named <= targets


def test_every_extra_that_is_installed_exists() -> None:
    project = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]
    texts = [page.read_text(encoding="utf-8") for page in PAGES]
    named = {
        name for text in texts for group in re.findall(r"\.\[([\w,]+)\]", text) for name in group.split(",")
    }
    assert named == set(project["optional-dependencies"])
    assert project["readme"] == "README.md"


# Links


@every_page
def test_every_file_that_is_named_exists(page: Path) -> None:
    for path in re.findall(r"`((?:[\w.-]+/)*[\w-]+\.(?:py|toml|md|lock))`", page.read_text(encoding="utf-8")):
        assert (
            any((folder / path).exists() for folder in (ROOT, SOURCE, ROOT / "tests")) or path in ELSEWHERE
        ), path


@every_page
def test_every_link_leads_somewhere(page: Path) -> None:
    for target in LINK.findall(FENCE.sub("", page.read_text(encoding="utf-8"))):
        if re.match(r"\w+:", target):
            continue
        path, _, anchor = target.partition("#")
        where = (page.parent / path).resolve() if path else page
        assert where.exists(), target
        assert where.is_relative_to(ROOT), target
        if anchor:
            assert anchor in anchors(where), target


def anchors(page: Path) -> set[str]:
    """What the headings of a page are reached by, as GitHub makes it."""
    headings = HEADING.findall(FENCE.sub("", page.read_text(encoding="utf-8")))
    return {re.sub(r"[^\w\- ]", "", heading.lower()).replace(" ", "-") for heading in headings}


def test_every_page_is_reached_from_the_readme() -> None:
    seen, to_read = set(), [ROOT / "README.md"]
    while to_read:
        page = to_read.pop()
        if page in seen:
            continue
        seen.add(page)
        links = [link.partition("#")[0] for link in LINK.findall(page.read_text(encoding="utf-8"))]
        to_read += [
            (page.parent / link).resolve() for link in links if link.endswith(".md") and ":" not in link
        ]
    assert set(PAGES) == seen


# Nothing left out


def test_every_setting_is_documented_as_it_is() -> None:
    written = settings_page.PAGE.read_text(encoding="utf-8")
    assert written == settings_page.page(), "run: python -m tests.settings_page"


@pytest.mark.parametrize("name", feedkit.__all__)
def test_every_public_name_is_in_the_reference(name: str) -> None:
    assert f"`{name}" in reference() or f"feedkit.{name}`" in reference()


def test_every_public_verb_is_in_the_reference() -> None:
    with feedkit.connect("memory://") as feed:
        nouns = {name for name in public(feed) if isinstance(getattr(feed, name), Noun)}
        verbs = [name for name in public(feed) if name not in nouns]
        verbs += [f"{noun}.{verb}" for noun in sorted(nouns) for verb in public(getattr(feed, noun))]
        verbs += [f"staff.{verb}" for verb in public(feed.staff("me", reason="the docs"))]
    assert {"drafts.save", "lists.add", "posts.get", "users.put"} <= set(verbs)
    assert not [verb for verb in verbs if not re.search(rf"`{re.escape(verb)}[`(]", reference())]


def test_the_reference_says_what_every_verb_gives() -> None:
    table = reference().partition("## `Feed`")[2].partition("\n## ")[0]
    rows = [re.split(r"(?<!\\)\|", line) for line in table.splitlines() if line.startswith("| `")]
    with feedkit.connect("memory://") as feed:
        staff = feed.staff("me", reason="the docs")
        for _, verbs, gives, *_ in rows:
            for verb in re.findall(r"`([\w.]+)", verbs):
                method = attrgetter(verb.removeprefix("staff."))(staff if verb.startswith("staff.") else feed)
                said = {kind.replace("\\", "").lower() for kind in re.findall(r"`([^`]+)`", gives)}
                assert given_by(method) in (said or {"none"}), verb
    assert len(rows) > 50


def given_by(method: Any) -> str:
    """What it returns, as the reference writes it."""
    kind = inspect.formatannotation(inspect.signature(method).return_annotation).strip("'")
    kind = re.sub(r"typing\.Optional\[(.*)\]\]", r"\1 | None]", kind)
    kind = re.sub(r"\[~?Key\]|feedkit\.[\w.]*\.(?=[A-Z])|~", "", kind)
    return kind.replace("dict[str, Item", "dict[ref, Item").lower()


def test_the_readme_names_every_command() -> None:
    commands: dict[str, Any] = get_command(app).commands  # type: ignore[attr-defined]
    row = re.search(r"^\| Command \|.*$", (ROOT / "README.md").read_text(encoding="utf-8"), re.MULTILINE)
    assert row
    assert set(re.findall(r"`(?:feedkit )?([\w-]+)`", row[0])) == set(commands)


def test_every_error_is_in_the_reference_with_its_code_and_status() -> None:
    for leaf in every_error(feedkit.FeedkitError):
        assert f"| `{leaf.__name__}` | `{leaf.code}` | {leaf.http_status} |" in reference()


def every_error(kind: type[feedkit.FeedkitError]) -> Iterator[type[feedkit.FeedkitError]]:
    yield kind
    for leaf in kind.__subclasses__():
        yield from every_error(leaf)


def reference() -> str:
    return (ROOT / "docs" / "reference.md").read_text(encoding="utf-8")


def public(thing: object) -> list[str]:
    return [name for name in dir(thing) if not name.startswith("_")]


def test_sybil_is_looking(tmp_path: Path) -> None:
    page = tmp_path / "page.md"
    page.write_text("# A page\n\n```python\nassert 1 == 2\n```\n")
    document: Document = SYBIL.parse(page)
    with pytest.raises(AssertionError):
        next(iter(document.examples())).evaluate()
