"""Of a request: which group it is for, and what who asks is in it."""

from __future__ import annotations

import msgspec
from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import RedirectResponse, Response

from rhinecloud.city import City
from rhinecloud.people import Actor
from rhinecloud.web.addresses import sign_in

from . import members, reading
from .model import Group, Member

ORGANISE = "participation.organise"


class Asked(msgspec.Struct, frozen=True):
    """A group, who asks, and what they are in it (in whatever state; None for nothing). `shown`: what their link shows
    them by, "" without one."""

    group: Group
    actor: Actor
    own: Member | None
    shown: str

    @property
    def belongs(self) -> bool:
        """Whether they may see what members see."""
        return self.keeps or (self.own is not None and self.own.state == "member")

    @property
    def keeps(self) -> bool:
        """Whether they look after the group: its moderators, by their account, and who organises participation."""
        return self.actor.may(ORGANISE) or self._as("moderator")

    @property
    def meets(self) -> bool:
        """Whether they may call meetings and put documents on the page: speakers, too."""
        return self.keeps or self._as("speaker")

    def _as(self, role: str) -> bool:
        own = self.own
        return (
            own is not None
            and own.state == "member"
            and own.role == role
            and members.signed(self.actor)
            and own.account == self.actor.id
        )


async def asked(city: City, request: Request, shown: str = "") -> Asked:
    """The group of the path's {name}. Raises HTTPException 404."""
    group = await reading.by_name(city, request.path_params["name"])
    if group is None:
        raise HTTPException(404)
    actor = city.people.who(request)
    shown = (shown or request.query_params.get("m", ""))[:60]
    own = await members.known(city, group, actor, shown)
    by_link = own is not None and members.link_of(group, own) == shown
    return Asked(group, actor, own, shown if by_link else "")


def refused(request: Request, at: Asked) -> Response:
    """The answer to whoever may not: anybody is led to the sign-in, and from there back. Raises HTTPException 403."""
    if at.actor.kind != "anonymous":
        raise HTTPException(403)
    return RedirectResponse(sign_in(request.url.path), 303, {"Cache-Control": "no-store"})
