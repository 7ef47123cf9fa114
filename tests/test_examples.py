"""The examples do what they say."""

import re
import subprocess
import sys
from pathlib import Path

EXAMPLES = Path(__file__).parents[1] / "examples"


def test_quickstart(tmp_path: Path) -> None:
    run = subprocess.run(
        [sys.executable, "-W", "error", str(EXAMPLES / "quickstart.py"), str(tmp_path)],
        capture_output=True,
        text=True,
        check=False,
    )

    assert run.returncode == 0, run.stderr
    assert run.stdout.splitlines() == [
        "bob: Welcome 0",
        "ada: For those who follow me 1 like",
        "ada: Hello, Wednesday 0",
        "ada: Hello, Tuesday 0",
        "ada: Hello, Monday 0",
        "bob comments: Nice",
        "ada has 1 follower and shows 3 posts",
        "For those who follow me",
        "logged out: post_id names no post that this viewer can see",
    ]
    assert (tmp_path / "social.db").exists()


def test_a_host_in_one_file_is_read_in_one_sitting() -> None:
    for example in EXAMPLES.glob("*.py"):
        assert len(example.read_text(encoding="utf-8").splitlines()) < 80, example.name


def test_every_example_is_tested() -> None:
    here = Path(__file__).parent
    sources = [
        path.read_text(encoding="utf-8") for path in (Path(__file__), *(here / "programs").glob("test_*.py"))
    ]
    tested = {name for source in sources for name in re.findall(r"^def test_(\w+)\(", source, re.MULTILINE)}
    assert {path.stem for path in EXAMPLES.glob("*.py")} <= tested
