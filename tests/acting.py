"""Whom an application takes those who ask for, where no gate stands before it."""

from __future__ import annotations

from typing import Any

from rhinecloud.people import OPEN, Actor
from rhinecloud.people.actors import ACTOR


def acting(app: Any, actor: Actor = OPEN) -> Any:
    """The application, asked by this actor."""

    async def asked(scope: Any, receive: Any, send: Any) -> None:
        await app({**scope, ACTOR: actor}, receive, send)

    return asked
