"""Two client libraries of others, as their users have them, work with a fresh server.

Each step of foreign/with_*.py is a test here. The library runs in an environment of its own; it is only left out where
pip reaches no index.
"""

from __future__ import annotations

import ast
import json
import subprocess
from collections.abc import Callable
from functools import cache

import pytest

from ..conftest import Serve
from .environments import FOREIGN, IndexAway, python_of

LIBRARIES = ("ngsildclient", "filip")
_PATIENCE = 120  # seconds for all steps of a library


def steps_of(library: str) -> list[str]:
    """The public functions of its module, which can only be imported in its own environment."""
    module = ast.parse((FOREIGN / f"with_{library}.py").read_text())
    functions = [node.name for node in module.body if isinstance(node, ast.FunctionDef)]
    return [name for name in functions if not name.startswith("_")]


Outcomes = Callable[[str], dict[str, str | None]]


@pytest.fixture(scope="module")
def outcomes(module_serve: Serve) -> Outcomes:
    """What became of each step of a library; all are run at the first question."""
    server = module_serve("--outbound-allow=127.0.0.1")

    @cache
    def run(library: str) -> dict[str, str | None]:
        try:
            python = python_of(library)
        except IndexAway as error:
            pytest.skip(f"NOT TESTED: {library} could not be fetched, pip reaches no index ({error})")
        command = [str(python), "steps.py", f"with_{library}", server.base_url]
        done = subprocess.run(command, cwd=FOREIGN, capture_output=True, text=True, timeout=_PATIENCE)
        assert done.returncode == 0, done.stderr
        lines = [json.loads(line) for line in done.stdout.splitlines()]
        return {line["step"]: line["wrong"] for line in lines}

    return run


@pytest.mark.timeout(700)  # the first time pip fetches the library
@pytest.mark.parametrize(
    ("library", "step"), [(library, step) for library in LIBRARIES for step in steps_of(library)]
)
def test_client(outcomes: Outcomes, library: str, step: str) -> None:
    found = outcomes(library)
    assert step in found
    assert found[step] is None, f"{library}:\n{found[step]}"
