"""The live parts of apps' pages: rendered once for all who see the same, anew when the app says so in any worker."""

from __future__ import annotations

from collections.abc import Sequence

import msgspec
from starlette.requests import Request

from rhinecloud.app import View
from rhinecloud.bus import Bus
from rhinecloud.city import VIEWS, City
from rhinecloud.web import Fragment, Live, Shell, StreamRoute, sight_of
from rhinecloud.web.language import LANGUAGES, choose
from rhinecloud.web.live import Channel

_decode = msgspec.json.Decoder(tuple[str, str]).decode


class Views:
    """Those of all apps in one worker."""

    def __init__(self) -> None:
        self._live: Live | None = None

    async def open(self, bus: Bus) -> None:
        """Hear what is to be shown anew."""
        await bus.subscribe(VIEWS, self._heard)

    def routes(self, shell: Shell, city: City, views: Sequence[View]) -> list[StreamRoute]:
        """/live/NAME/… of an app."""
        self._live = shell.live
        return [self._route(shell.live, city, view) for view in views]

    def _route(self, live: Live, city: City, view: View) -> StreamRoute:
        def channel(request: Request) -> Channel:
            language, sight, names = choose(request), sight_of(request), request.path_params
            key = _key(city.app, request.url.path.removeprefix(f"/live/{city.app}"), language)

            async def render() -> str:
                live.notify_later(key, view.every)
                return await view.render(city, sight, language, **names)

            return live.channel(sight, key, lambda: Fragment(render))

        return StreamRoute(f"/live/{city.app}{view.path}", live, channel, view.permission)

    async def _heard(self, payload: bytes) -> None:
        app, path = _decode(payload)
        if self._live is not None:
            for language in LANGUAGES:
                self._live.notify(_key(app, path, language))


def _key(app: str, path: str, language: str) -> str:
    return f"app:{app}:{path}:{language}"
