"""`feedkit.django` in a real site: its own tests, and a suite of ours, under Django's test runner."""

import json
import re
from pathlib import Path
from subprocess import CompletedProcess
from typing import Any

import pytest

from tests.hosts.django_databases import database
from tests.hosts.run_site import SITE, SUITE, manage

KINDS = ["sqlite in memory", "sqlite file", "postgres", "postgres, pooled", "postgres, persistent"]


@pytest.fixture(params=KINDS)
def settings(request: pytest.FixtureRequest, tmp_path: Path) -> dict[str, Any]:
    """An entry of DATABASES; the database in it is empty."""
    if request.param.startswith("sqlite"):
        found = database(f"sqlite:///{tmp_path / 'site.db'}")
        return found | ({"TEST": {"NAME": str(tmp_path / "test.db")}} if "file" in request.param else {})
    url = request.getfixturevalue("postgres_database")
    if request.param == "postgres, persistent":
        return database(url) | {"CONN_MAX_AGE": None}
    return database(url, **({"pool": True} if "pooled" in request.param else {}))


@pytest.fixture
def migrated(settings: dict[str, Any]) -> dict[str, Any]:
    """The same after `manage.py migrate`."""
    run = manage("migrate", "--verbosity", "0", database=settings)
    assert run.returncode == 0, run.stderr
    return settings


def assert_passed(source: Path, run: CompletedProcess[str]) -> None:
    """Django's runner was content, and none of the tests in this file was overlooked."""
    assert run.returncode == 0, run.stderr
    written = set(re.findall(r"^    def (test_\w+)", source.read_text(encoding="utf-8"), re.MULTILINE))
    assert written
    assert written == set(re.findall(r"^(test_\w+) \(", run.stderr, re.MULTILINE))


def test_the_tests_of_the_site_pass(settings: dict[str, Any]) -> None:
    assert_passed(SITE / "social" / "tests.py", manage("test", "social", "-v", "2", database=settings))


def test_our_suite_passes_under_its_runner(settings: dict[str, Any]) -> None:
    assert_passed(SUITE / "test_hosted.py", manage("test", "test_hosted", "-v", "2", database=settings))


def test_our_suite_passes_in_parallel(settings: dict[str, Any]) -> None:
    run = manage("test", "test_hosted", "-v", "2", "--parallel", "2", database=settings)
    assert_passed(SUITE / "test_hosted.py", run)


def test_migrate_makes_the_tables(migrated: dict[str, Any]) -> None:
    run = manage("feedkit", "check", database=migrated)
    assert run.returncode == 0, run.stderr
    assert json.loads(run.stdout)["ok"] is True
    assert (
        json.loads(manage("feedkit", "drain", "--max-seconds", "5", database=migrated).stdout)["done"] is True
    )


def test_a_worker_of_the_site(migrated: dict[str, Any], redis_url: str) -> None:
    without = manage("feedkit", "worker", "--max-seconds", "0", database=migrated)
    assert without.returncode == 1
    assert "a worker needs a feed with redis=" in without.stderr
    if "memory" in str(migrated["NAME"]):
        return
    run = manage("feedkit", "worker", "--max-seconds", "1", database=migrated, REDIS_URL=redis_url)
    assert run.returncode == 0, run.stderr
    assert json.loads(run.stdout).keys() == {"events", "deliveries", "seconds", "dearest"}
