"""What a run of Robot Framework says: its cases, in groups, as figures."""

from __future__ import annotations

import xml.etree.ElementTree as ElementTree
from collections.abc import Iterable, Iterator
from pathlib import Path, PurePosixPath

import msgspec

REGISTRATION_TAGS = ("csr*", "dist-ops")
"""Patterns of the tags that the suite gives to the cases that need context source registrations."""

_REGISTRATION_FOLDERS = frozenset({"ContextSource", "DistributedOperations"})
_VERDICTS = {"PASS": "passed  ", "FAIL": "failed  ", "SKIP": "left out"}
_TWO_LEVELS = frozenset({"ContextInformation", "ContextSource"})


class Case(msgspec.Struct, frozen=True):
    """One case: `folder` below the suite's TP/NGSI-LD, `status` PASS, FAIL or SKIP, `elapsed` in seconds."""

    name: str
    folder: PurePosixPath
    tags: tuple[str, ...]
    status: str
    message: str = ""
    elapsed: float = 0.0

    @property
    def group(self) -> str:
        """The part of the standard that its figures are counted in."""
        parts = self.folder.parts
        return "/".join(parts[: 2 if parts[0] in _TWO_LEVELS else 1])

    @property
    def needs_registrations(self) -> bool:
        """Whether it is about context sources, or lets the broker ask or tell other brokers."""
        if self.folder.parts[0] in _REGISTRATION_FOLDERS:
            return True
        return any(tag.startswith("csr") or tag == "dist-ops" for tag in self.tags)


class Figures(msgspec.Struct):
    """How many cases of a group passed, failed, and were left out."""

    passed: int = 0
    failed: int = 0
    left_out: int = 0

    def count(self, case: Case) -> None:
        """Add one case."""
        if case.status == "PASS":
            self.passed += 1
        elif case.status == "FAIL":
            self.failed += 1
        else:
            self.left_out += 1

    def __str__(self) -> str:
        return f"{self.passed} passed, {self.failed} failed"


def read(output: Path, root: Path) -> list[Case]:
    """The cases of an output.xml of Robot Framework 7. `root` is the folder that the suite's folders stand in.

    Raises ParseError for a file that was not finished.
    """
    cases: list[Case] = []
    sources: list[PurePosixPath] = []
    path: list[str] = []
    for event, element in ElementTree.iterparse(output, events=("start", "end")):
        if event == "start":
            path.append(element.tag)
            if element.tag == "suite" and "statistics" not in path:
                sources.append(PurePosixPath(element.get("source", "")))
            continue
        path.pop()
        if element.tag == "test":
            cases.append(_case(element, sources[-1], root))
            element.clear()
        elif element.tag == "suite" and "statistics" not in path:
            sources.pop()
            element.clear()
    return cases


def _case(element: ElementTree.Element, source: PurePosixPath, root: Path) -> Case:
    status = element.find("status")
    assert status is not None, "a case without a status"
    return Case(
        name=element.get("name", ""),
        folder=source.relative_to(root).parent,
        tags=tuple(tag.text or "" for tag in element.findall("tag")),
        status=status.get("status", ""),
        message=(status.text or "").strip(),
        elapsed=float(status.get("elapsed", "0")),
    )


def report(cases: Iterable[Case]) -> Iterator[str]:
    """Lines for a person: each group, what needs registrations apart and by name, at last all that ran."""
    groups: dict[str, Figures] = {}
    apart: dict[str, Figures] = {}
    among: list[Case] = []  # need registrations, but stand in a group whose other cases do not
    total = Figures()
    for case in cases:
        total.count(case)
        (apart if case.needs_registrations else groups).setdefault(case.group, Figures()).count(case)
        if case.needs_registrations and case.folder.parts[0] not in _REGISTRATION_FOLDERS:
            among.append(case)
    yield from (f"{group}: {figures}" for group, figures in sorted(groups.items()))
    if apart:
        yield "Counted apart, for they need context source registrations:"
        for group, figures in sorted(apart.items()):
            yield f"  {group}: {figures}" + (f", {figures.left_out} left out" if figures.left_out else "")
            yield from (f"    {_VERDICTS[case.status]} {case.name}" for case in among if case.group == group)
    yield str(total)


def failures(cases: Iterable[Case]) -> Iterator[str]:
    """A line for each case that failed: folder, name, and what Robot Framework says, on one line."""
    for case in cases:
        if case.status == "FAIL":
            yield f"{case.folder}\t{case.name}\t{' ⏎ '.join(case.message.splitlines())}"
