"""The app as the house sees it: its permissions, and what its areas declare."""

from __future__ import annotations

from types import ModuleType
from typing import Any, Final

from rhinecloud.app import App, Permission, PersonalData
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
    places=_all("PLACES"),
    jobs=_all("JOBS"),
    tasks=_all("TASKS"),
    views=_all("VIEWS"),
    commands=_all("COMMANDS"),
    settings=Settings,
    personal_data=_personal_data(),
)
