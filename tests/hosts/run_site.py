"""Runs `manage.py` of the example site in a process of its own."""

import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

SITE = Path(__file__).parents[2] / "examples" / "django_site"
SUITE = Path(__file__).parent / "django_suite"


def manage(*arguments: str, database: dict[str, Any], **environment: str) -> subprocess.CompletedProcess[str]:
    """What it printed; warnings are errors."""
    path = os.pathsep.join([str(SUITE), *sys.path])
    return subprocess.run(
        [sys.executable, "-W", "error", str(SITE / "manage.py"), *arguments],
        env={**os.environ, "PYTHONPATH": path, "DATABASE": json.dumps(database), **environment},
        cwd=SITE,
        capture_output=True,
        text=True,
        check=False,
    )
