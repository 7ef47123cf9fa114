"""Loads examples as a server would: by their path, once per test."""

import importlib.util
import sys
from pathlib import Path
from types import ModuleType
from uuid import uuid4

EXAMPLES = Path(__file__).parents[2] / "examples"


def load(name: str) -> ModuleType:
    """A fresh module of `examples/<name>.py`."""
    unique = f"{name}_{uuid4().hex}"
    spec = importlib.util.spec_from_file_location(unique, EXAMPLES / f"{name}.py")
    assert spec
    assert spec.loader
    module = importlib.util.module_from_spec(spec)
    sys.modules[unique] = module  # FastAPI resolves annotations there
    spec.loader.exec_module(module)
    return module
