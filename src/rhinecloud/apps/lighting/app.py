"""The app as the house sees it: its permissions, and what its areas declare."""

from __future__ import annotations

from collections.abc import Sequence, Set
from types import ModuleType
from typing import Any, Final

import msgspec

from rhinecloud.app import App, Permission, PersonalData, Place
from rhinecloud.people.register import Activity

from .accounts import manifest as accounts
from .cadastre import manifest as cadastre
from .cadastre import sections
from .carrier import manifest as carrier
from .demand import manifest as demand
from .faults import manifest as faults
from .lorawan import manifest as lorawan
from .planning import manifest as planning
from .settings import Settings
from .talq import manifest as talq
from .work import manifest as work

SEE: Final = Permission(
    "lighting.see",
    "Leuchten, ihren Zustand und die Beleuchtungsplanung sehen",
    "see lamps, their state and the plans of lighting",
)
PROGRAM: Final = Permission(
    "lighting.program",
    "Beleuchtungsprogramme, Kalender und Gruppen ändern und Leuchten übersteuern",
    "change lighting programs, calendars and groups, and override lamps",
)
WORK: Final = Permission(
    "lighting.work", "Störungen und Arbeitsaufträge bearbeiten", "work on faults and work orders"
)
CONFIGURE: Final = Permission(
    "lighting.configure",
    "Beleuchtung einrichten: Regeln, Gateways, Faktoren",
    "set lighting up: rules, gateways, factors",
)

# What areas declare: modules with any of PAGES, ENDPOINTS, JOBS, TASKS, VIEWS, COMMANDS, PLACES, HOLDINGS, SECTIONS (of
# the page of a lamp: cadastre.sections), which are tuples, and IMPERSONAL (tables without personal data, by names).
_MANIFESTS: Final[tuple[ModuleType, ...]] = (
    cadastre,
    planning,
    demand,
    faults,
    work,
    talq,
    lorawan,
    accounts,
    carrier,
)


def _all(name: str) -> tuple[Any, ...]:
    return tuple(one for manifest in _MANIFESTS for one in getattr(manifest, name, ()))


sections.declare(_all("SECTIONS"))

# What lamps are connected by, each an area of its own: one entry, so that the row is one line on a usual screen.
_CONNECTING: Final = (talq, lorawan)
_CONNECTIONS: Final = ("Anbindung", "Connections")


def _places() -> tuple[Place, ...]:
    """Those of the areas. All other pages of an area belong to its last place."""
    known = {place.path for place in _all("PLACES")}
    first = msgspec.structs.replace(_CONNECTING[0].PLACES[0], label=_CONNECTIONS)
    connecting = _holding((first,), _CONNECTING, known - {place.path for place in lorawan.PLACES})
    areas = (
        _holding(manifest.PLACES, (manifest,), known)
        for manifest in _MANIFESTS
        if manifest not in _CONNECTING
    )
    return tuple(place for places in (*areas, connecting) for place in places)


def _holding(places: Sequence[Place], manifests: Sequence[ModuleType], known: Set[str]) -> tuple[Place, ...]:
    paths = {page.path for manifest in manifests for page in manifest.PAGES}
    others = {"/" + path.split("/")[1] for path in paths if path} - known
    return (*places[:-1], msgspec.structs.replace(places[-1], also=tuple(sorted(others))))


def _personal_data() -> PersonalData:
    """What is kept of staff and of those whose things hang on a post. No area keeps anything of who passes a lamp."""
    if not (holdings := _all("HOLDINGS")):
        return PersonalData()
    return PersonalData(
        impersonal={
            name: columns
            for manifest in _MANIFESTS
            for name, columns in getattr(manifest, "IMPERSONAL", {}).items()
        },
        activities=(
            Activity(
                key="lighting",
                title=("Straßenbeleuchtung", "Street lighting"),
                purpose=(
                    "Straßen beleuchten, Störungen beheben und nachweisen, wer was angeordnet hat",
                    "light streets, repair faults, and know on record who ordered what",
                ),
                ground="e",
                provision="Art. 6 Abs. 1 Buchst. e DSGVO",
                subjects=(
                    "Beschäftigte der Straßenbeleuchtung; Ansprechpersonen für das, was an Masten hängt",
                    "staff of the lighting office; contact persons for what hangs on posts",
                ),
                holdings=holdings,
            ),
        ),
    )


app: Final = App(
    name="lighting",
    package=__package__,
    title=("Straßenbeleuchtung", "Street lighting"),
    permissions=(SEE, PROGRAM, WORK, CONFIGURE),
    granted={
        "operator": (SEE.name, PROGRAM.name, WORK.name, CONFIGURE.name),
        "member": (SEE.name,),
    },
    pages=_all("PAGES"),
    endpoints=_all("ENDPOINTS"),
    places=_places(),
    jobs=_all("JOBS"),
    tasks=_all("TASKS"),
    views=_all("VIEWS"),
    commands=_all("COMMANDS"),
    settings=Settings,
    personal_data=_personal_data(),
)
