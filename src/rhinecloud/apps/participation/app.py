"""The app as the house sees it: its permissions, and what its areas declare."""

from __future__ import annotations

from types import ModuleType
from typing import Any, Final

from rhinecloud.app import App, Permission, PersonalData
from rhinecloud.people.register import Activity

from .ballots import manifest as ballots
from .choosing import manifest as choosing
from .events import manifest as events
from .groups import manifest as groups
from .joining import manifest as joining
from .moderation import manifest as moderation
from .proposals import manifest as proposals
from .settings import Settings
from .stage import manifest as stage

ORGANISE: Final = Permission(
    "participation.organise",
    "Veranstaltungen und Abstimmungen vorbereiten, leiten und auswerten",
    "prepare, run and evaluate events and votes",
)
HELP: Final = Permission(
    "participation.help",
    "am Tisch helfen: Einladungen prüfen und Stimmen von Papier eingeben",
    "help at the desk: check invitations and enter votes from paper",
)
TAKE_PART: Final = Permission(
    "participation.take_part",
    "mitreden: Vorschläge schreiben, kommentieren, unterstützen",
    "take part: write proposals, comment on them, support them",
)

# What areas declare: modules with any of PAGES, ENDPOINTS, JOBS, TASKS, VIEWS, COMMANDS, PLACES, HOLDINGS and
# CONSENTED, which are tuples, and IMPERSONAL (tables without personal data, by names). What is somebody's is found by
# their invitation, so `joining` erases last.
_MANIFESTS: Final[tuple[ModuleType, ...]] = (
    events,
    ballots,
    choosing,
    stage,
    groups,
    proposals,
    moderation,
    joining,
)


def _all(name: str) -> tuple[Any, ...]:
    return tuple(one for manifest in _MANIFESTS for one in getattr(manifest, name, ()))


_PERSONAL: Final = PersonalData(
    impersonal={
        name: columns
        for manifest in _MANIFESTS
        for name, columns in getattr(manifest, "IMPERSONAL", {}).items()
    },
    activities=(
        Activity(
            key="participation",
            title=("Beteiligung", "Participation"),
            purpose=(
                "Bürgerinnen und Bürger an der Planung der Stadt beteiligen: jede Person eine Stimme",
                "let people take part in what the city plans: one person, one vote",
            ),
            ground="e",
            provision="Art. 6 Abs. 1 Buchst. e DSGVO",
            subjects=("Teilnehmende und Einladende", "participants, and those who invite them"),
            holdings=_all("HOLDINGS"),
        ),
        Activity(
            key="participation-news",
            title=("Neuigkeiten der Themengruppen per E-Mail", "News of the theme groups by mail"),
            purpose=(
                "denen, die es wünschen, schreiben, was es in ihren Gruppen Neues gibt",
                "write to those who wish it what is new in their groups",
            ),
            ground="a",
            provision="Art. 6 Abs. 1 Buchst. a DSGVO",
            subjects=("Menschen, die Neuigkeiten bestellt haben", "people who asked for news"),
            holdings=_all("CONSENTED"),
        ),
    ),
)

app: Final = App(
    name="participation",
    package=__package__,
    title=("Beteiligung", "Participation"),
    permissions=(ORGANISE, HELP, TAKE_PART),
    granted={
        "editor": (ORGANISE.name, HELP.name, TAKE_PART.name),
        "operator": (HELP.name, TAKE_PART.name),
        "member": (HELP.name, TAKE_PART.name),
        "citizen": (TAKE_PART.name,),
    },
    pages=_all("PAGES"),
    endpoints=_all("ENDPOINTS"),
    places=_all("PLACES"),
    jobs=_all("JOBS"),
    tasks=_all("TASKS"),
    views=_all("VIEWS"),
    commands=_all("COMMANDS"),
    personal_data=_PERSONAL,
    settings=Settings,
)
