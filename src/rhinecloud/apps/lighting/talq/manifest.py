"""What TALQ adds to the app."""

from __future__ import annotations

from typing import Final

from rhinecloud.app import Command, Endpoint, Job, Page, Place, Task, View
from rhinecloud.people.register import Column, Keep, Retention, Table

from . import api, cms, cms_announcing, cms_devices, distributing, meeting, pages
from .gateway import command

OPERATIONS: Final = (*cms_devices.OPERATIONS, *cms_announcing.OPERATIONS)

ENDPOINTS: Final[tuple[Endpoint, ...]] = (
    *cms.endpoints(OPERATIONS),
    Endpoint("/gateways", api.listed, "lighting.see"),
    Endpoint("/gateways", api.admit, "lighting.configure", "POST"),
    Endpoint("/gateways/plans", api.want_plans, "lighting.program", "POST", 32 * 2**20),
    Endpoint("/gateways/overrides", api.overridden, "lighting.see"),
    Endpoint("/gateways/overrides", api.override, "lighting.program", "POST", 8 * 2**20),
)

PAGES: Final = (
    Page("/gateways", pages.listed, "lighting.see"),
    Page("/gateways", pages.admit, "lighting.configure", "POST"),
    Page("/gateways/{number:int}", pages.one, "lighting.see"),
    Page("/gateways/{number:int}/dismiss", pages.dismiss, "lighting.configure", "POST"),
    Page("/gateways/{number:int}/again", pages.again, "lighting.program", "POST"),
)

VIEWS: Final = (View(distributing.VIEW, pages.part, "lighting.see", every=10.0),)

PLACES: Final = (Place(("Gateways (TALQ)", "Gateways (TALQ)"), "lighting.see", "/gateways", order=59),)

JOBS: Final = (
    Job("talq-greet", meeting.greet, int),
    Job("talq-read", meeting.read, int),
    Job("talq-match", meeting.match, int),
    Job("talq-silence", distributing.watch_silence, None, cron="*/5 * * * *", attempts=1),
)

TASKS: Final = (Task("talq", distributing.distribute),)

COMMANDS: Final = (Command("talq-gateway", command.HELP, command.run, command.arguments, alone=True),)

_ON_RECORD: Final = Keep(
    (
        "Wer Leuchten schaltet oder ein Gateway zulässt, wird nachgewiesen",
        "who switches lamps or admits a gateway is on record",
    )
)
_LIVES: Final = Retention(("solange das Gateway zugelassen ist", "as long as the gateway is admitted"))
_ACTOR: Final = Column("actor", ("angeordnet von", "ordered by"))
_WISH: Final = (
    "version",
    "state",
    "asked_at",
    "sent_at",
    "settled_at",
    "due_at",
    "next_at",
    "attempts",
    "trouble",
)

HOLDINGS: Final = (
    Table(
        "talq_gateway",
        text=("zugelassene Gateways", "admitted gateways"),
        columns=(Column("admitted_by", ("zugelassen von", "admitted by")),),
        impersonal=(
            *("number", "name", "key_hash", "cabinet", "stage", "address", "uri", "vendor", "services"),
            *("read_at", "heard_at", "admitted_at"),
        ),
        found={"actor": "admitted_by"},
        retention=_LIVES,
        erasure=_ON_RECORD,
    ),
    Table(
        "talq_plan",
        text=("Pläne von Gateways", "plans of gateways"),
        columns=(_ACTOR,),
        impersonal=("gateway", "body", *_WISH),
        found={"actor": "actor"},
        retention=_LIVES,
        erasure=_ON_RECORD,
    ),
    Table(
        "talq_override",
        text=("Übersteuerungen von Leuchten", "overrides of lamps"),
        columns=(_ACTOR,),
        impersonal=("device", "gateway", "level", "ends", "automatic", *_WISH),
        found={"actor": "actor"},
        retention=_LIVES,
        erasure=_ON_RECORD,
    ),
)

IMPERSONAL: Final = {
    "talq_cms": ("*",),
    "talq_class": ("*",),
    "talq_device": ("*",),
    "talq_refused": ("*",),
    "talq_quiet": ("*",),
}
