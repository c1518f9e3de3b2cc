"""What all pages share: the city that is shown, its renderer, its live views, its points."""

from __future__ import annotations

import inspect
from typing import Any, Protocol

from starlette.requests import Request

from rhinecloud.broker import Broker
from rhinecloud.gateways.devices.devices import Devices
from rhinecloud.gateways.profiles import Profiles
from rhinecloud.gateways.unmapped import Unmapped
from rhinecloud.jobs import Jobs
from rhinecloud.mail import Mail
from rhinecloud.people.feedback import Feedback
from rhinecloud.people.policy import Policy
from rhinecloud.people.rights import Rights
from rhinecloud.people.service import People
from rhinecloud.settings import Settings

from .assets import Assets
from .desk import Desk
from .follower import Follower
from .live import Live
from .navigation import Navigation
from .points import Maps
from .rendering import Renderer


class City(Protocol):
    """What the pages need of who serves them. `health` may be a coroutine or give its figures at once."""

    @property
    def broker(self) -> Broker:
        """The graph."""
        ...

    @property
    def settings(self) -> Settings:
        """The settings; the pages read the city's name, its time zone and what its map lies on."""
        ...

    @property
    def devices(self) -> Devices:
        """Devices: registry, credentials, commands, alarms."""
        ...

    @property
    def profiles(self) -> Profiles:
        """How payloads are read."""
        ...

    @property
    def unmapped(self) -> Unmapped:
        """The messages that could not be mapped."""
        ...

    @property
    def jobs(self) -> Jobs:
        """Queued and timed work."""
        ...

    @property
    def mail(self) -> Mail:
        """Letters that were queued, and what became of them."""
        ...

    @property
    def people(self) -> People:
        """Accounts, organisations and how people sign in."""
        ...

    @property
    def policy(self) -> Policy:
        """What is published to whom."""
        ...

    @property
    def rights(self) -> Rights:
        """What is kept of people, and what they may ask for."""
        ...

    @property
    def feedback(self) -> Feedback:
        """Reports of barriers."""
        ...

    @property
    def mqtt_url(self) -> str | None:
        """Where devices reach the MQTT side."""
        ...

    def health(self) -> Any:
        """Figures of the engines and of this process, as nested dicts."""
        ...

    async def backups(self) -> dict[str, Any]:
        """Figures of the backups; `every` is None where none are made."""
        ...

    async def metrics(self) -> str:
        """The same for Prometheus, of all processes of this machine."""
        ...


class Shell:
    """What every page's module is handed."""

    def __init__(self, city: City, assets: Assets) -> None:
        self.city = city
        self.assets = assets
        self.broker = city.broker
        self.settings = city.settings
        self.navigation = Navigation()
        self.desk = Desk()
        self.renderer = Renderer(
            assets,
            city.settings.city_name,
            city.settings.time_zone,
            self.navigation,
        )
        self.live = Live()
        self.follower = Follower(city.broker)
        self.maps = Maps(city.broker, lambda: self.live.notify("map"))
        self.follower.add(self.maps.take)

    @property
    def devices(self) -> Devices:
        """The city's devices."""
        return self.city.devices

    @property
    def profiles(self) -> Profiles:
        """The city's profiles of payloads."""
        return self.city.profiles

    @property
    def unmapped(self) -> Unmapped:
        """The messages that could not be mapped."""
        return self.city.unmapped

    @property
    def jobs(self) -> Jobs:
        """Queued and timed work."""
        return self.city.jobs

    @property
    def mail(self) -> Mail:
        """The letters of the city."""
        return self.city.mail

    @property
    def people(self) -> People:
        """Accounts, organisations and how people sign in."""
        return self.city.people

    @property
    def policy(self) -> Policy:
        """What is published to whom."""
        return self.city.policy

    @property
    def rights(self) -> Rights:
        """What is kept of people, and what they may ask for."""
        return self.city.rights

    @property
    def feedback(self) -> Feedback:
        """Reports of barriers."""
        return self.city.feedback

    async def health(self) -> dict[str, Any]:
        """The city's figures."""
        found = self.city.health()
        return dict(await found if inspect.isawaitable(found) else found)

    def public_url(self, request: Request) -> str:
        """The address under which others reach this installation, without a slash at its end."""
        return str(getattr(self.settings, "public_url", None) or request.base_url).rstrip("/")
