"""Where tests write: in memory, where there is room. Nothing of theirs has to outlive the machine.

To make an empty database on PostgreSQL is to copy files and to wait until they are written.
"""

from __future__ import annotations

import os
import shutil
import tempfile
from pathlib import Path

IN_MEMORY = Path("/dev/shm")  # noqa: S108 - each test has a folder of its own in it
ROOM = 8 << 30
"""Bytes, several times what eight workers with a PostgreSQL each hold at once."""


def write_to_memory() -> None:
    """Have temporary files of this process and of those that it starts lie there, unless TMPDIR says where."""
    if "TMPDIR" in os.environ or not IN_MEMORY.is_dir():
        return
    runs_programs = not os.statvfs(IN_MEMORY).f_flag & os.ST_NOEXEC
    if runs_programs and shutil.disk_usage(IN_MEMORY).free >= ROOM:
        os.environ["TMPDIR"] = str(IN_MEMORY)
        tempfile.tempdir = None  # to be looked up again
