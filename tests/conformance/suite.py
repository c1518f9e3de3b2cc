"""The suite's folder: what of it is needed, what it expects from the internet, how Robot Framework is called."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Mapping, Sequence
from pathlib import Path

import msgspec

from .results import REGISTRATION_TAGS

_CASES = Path("TP", "NGSI-LD")
_CONTEXTS = Path("resources", "jsonld-contexts")
_PUBLISHED = "https://forge.etsi.org/rep/cim/ngsi-ld-test-suite/-/raw/develop/resources/jsonld-contexts/"
_TERMS, _COMPOUND = "ngsi-ld-test-suite.jsonld", "ngsi-ld-test-suite-compound.jsonld"

COMPOUND_CONTEXT = _PUBLISHED + _COMPOUND

# What the suite's data name, and the file of the suite that stands for it. The first two are these very files, the
# third is an older address of the same vocabulary; of the last three the cases only want that they can be had.
_PRELOADED = {
    _PUBLISHED + _TERMS: _TERMS,
    COMPOUND_CONTEXT: _COMPOUND,
    "https://easy-global-market.github.io/ngsild-api-data-models/ngsildTestSuite/"
    "ngsildTestSuiteV1.8-compound.jsonld": _COMPOUND,
    "http://smartdatamodels.org/context.jsonld": _TERMS,
    "https://fiware.github.io/data-models/context.jsonld": _TERMS,
    "https://fiware.github.io/NGSI-LD_TestSuite/ldContext/testContext.jsonld": _TERMS,
}


class CannotRun(Exception):
    """Why there is nothing to count, in words."""


class Suite:
    """A checkout of the suite. Raises CannotRun for a folder that holds none, or no Robot Framework to run it."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder.resolve()
        self.cases = self.folder / _CASES
        for needed in (_CASES, Path("data"), Path("libraries"), _CONTEXTS / _COMPOUND, _CONTEXTS / _TERMS):
            if not (self.folder / needed).exists():
                raise CannotRun(f"{folder} is no folder of the suite: it has no {needed}")
        own = self.folder / ".venv" / "bin" / "python"
        self.python = own if own.exists() else Path(sys.executable)
        asked = [self.python, "-c", "import robot, RequestsLibrary, JSONLibrary, deepdiff, prettydiff"]
        told = subprocess.run(asked, capture_output=True, text=True, check=False)
        if told.returncode != 0:
            said = (told.stderr.strip() or f"{self.python} fails").splitlines()[-1]
            raise CannotRun(
                f"Robot Framework with the suite's libraries is missing ({said}):\n"
                f"  python3 -m venv {self.folder}/.venv\n"
                f"  {self.folder}/.venv/bin/pip install -r {self.folder}/requirements.txt"
            )

    def chosen(self, only: Sequence[str]) -> list[Path]:
        """The folders, or files, below TP/NGSI-LD to run: all, or those that `only` names."""
        found = [self.cases / name.strip("/") for name in only] or [self.cases]
        for path in found:
            if not path.exists():
                groups = sorted(one.name for one in self.cases.iterdir() if one.is_dir())
                raise CannotRun(
                    f"the suite has no {path.relative_to(self.cases)}; it has {', '.join(groups)}"
                )
        return found

    def write_contexts(self, index: Path) -> None:
        """Write the file that tells the broker where the contexts are that the suite expects on the internet."""
        paths = {url: str(self.folder / _CONTEXTS / name) for url, name in _PRELOADED.items()}
        index.write_bytes(msgspec.json.encode(paths))

    def command(
        self, paths: Sequence[Path], variables: Mapping[str, object], output: Path, *, registrations: bool
    ) -> list[str]:
        """Robot Framework's command line; it must run in the suite's folder, which the cases call EXECDIR.

        The cases need keywords that only the suite's own copy of HttpCtrl has, so that comes first.
        """
        called = [str(self.python), "-m", "robot", "--console=dotted", f"--outputdir={output}"]
        called.append(f"--pythonpath={self.folder / 'libraries' / 'robotframework-httpctrl' / 'src'}")
        called += [f"--variable={name}:{value}" for name, value in variables.items()]
        if not registrations:
            called += [f"--skip={pattern}" for pattern in REGISTRATION_TAGS]
        return called + [str(path) for path in paths]
