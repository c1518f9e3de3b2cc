"""All profiles of a city in one worker: those of the program and the city's own."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Callable, Mapping
from datetime import datetime, timedelta
from importlib import resources
from typing import Any

import msgspec

from rhinecloud.broker import Broker, Unavailable
from rhinecloud.bus import Bus
from rhinecloud.store import profiles as stored
from rhinecloud.tasks import stop

from . import document as documents
from . import times, trying
from .profile import Arrival, Clock, Profile, Registered, Use
from .shapes import Mapped, ProfileError, Trial, Unmappable
from .times import Moments
from .topics import Pattern, Tree, widest

_TOPICS_KEPT = 50_000  # whose profile is remembered
_AGAIN = 300.0  # seconds after which is looked without a wake-up
_RETRY = 2.0  # seconds
AHEAD = timedelta(seconds=600)
_NOTHING_KNOWN: Mapping[str, Any] = {}
_log = logging.getLogger(__name__)


def nobody(device: str) -> None:
    """A registry in which no device stands."""


def arrival_of(moment: datetime, ahead: timedelta = AHEAD, clock: Clock = "device") -> Arrival:
    """A moment of arrival; a device's clock may be `ahead` of it."""
    return Arrival(moment, times.text_of(moment), times.limit_of(moment, ahead), clock)


class Catalogue:
    """A set of profiles that fit together, and the one that has a topic. Immutable but for its memory. Pure."""

    def __init__(self, own: Mapping[str, dict[str, Any]] = _NOTHING_KNOWN) -> None:
        """`own` are the city's documents by name. Raises ProfileError."""
        self._documents: dict[str, dict[str, Any]] = {**built_in_documents(), **own}
        self._own = frozenset(own)
        self.profiles: dict[str, Profile] = {}
        for name in self._documents:
            self.profiles[name] = self.compiled(self._documents[name], built_in=name not in own)
        self._tree: Tree[Use] = Tree()
        # Those of the program first: one of the city's takes the place of one with the same topics.
        for profile in sorted(self.profiles.values(), key=lambda one: not one.built_in):
            for pattern, use in profile.uses():
                self._tree.add(pattern, use)
        self._found: dict[str, tuple[Pattern, Use, dict[str, str]] | None] = {}

    def compiled(self, document: dict[str, Any], *, built_in: bool = False) -> Profile:
        """A profile among these. Raises ProfileError."""
        if not isinstance(document, dict):
            raise ProfileError([("", "a profile is a JSON object")])
        return Profile(document, documents.decode(self._whole(document)), built_in=built_in)

    def _whole(self, document: Mapping[str, Any], below: tuple[str, ...] = ()) -> dict[str, Any]:
        parent = document.get("extends")
        if parent is None:
            return dict(document)
        if not isinstance(parent, str) or parent not in self._documents:
            raise ProfileError([("/extends", f"there is no profile {parent!r:.80}")])
        names = (*below, str(document.get("name")))
        if parent in names:
            raise ProfileError([("/extends", f"{parent} extends {' which extends '.join(names)}")])
        if len(names) > documents.MAX_GENERATIONS:
            raise ProfileError(
                [("/extends", f"more than {documents.MAX_GENERATIONS} profiles extend each other")]
            )
        return documents.merged(self._whole(self._documents[parent], names), document)

    def children(self, name: str) -> list[str]:
        """Profiles that extend this one."""
        return [child for child, one in self._documents.items() if one.get("extends") == name]

    def find(self, topic: str) -> tuple[Pattern, Use, dict[str, str]] | None:
        """The pattern that has a topic, what its topics hold, and the named levels."""
        try:
            return self._found[topic]
        except KeyError:
            found = self._tree.find(topic)
            if len(self._found) >= _TOPICS_KEPT:
                self._found.clear()
            self._found[topic] = found
            return found

    def read(self, topic: str, payload: bytes, arrival: Arrival, registered: Registered = nobody) -> Mapped:
        """A message by the profile that has its topic. Raises Unmappable."""
        found = self.find(topic)
        if found is None:
            raise Unmappable(f"no profile has the topic {topic!r:.500}", "topic")
        return found[1].profile.read(found[1], found[2], payload, arrival, registered)

    def patterns(self) -> list[Pattern]:
        """Patterns that together have every topic that a profile reads; what it ignores need not be listened to."""
        return widest(
            pattern
            for profile in self.profiles.values()
            for pattern, use in profile.uses()
            if use.measures or use.confirms
        )

    def check(self, profile: Profile) -> None:
        """Raises ProfileError if a profile has the same topics as another one of the city's."""
        taken = {
            pattern.shape: (other, pattern)
            for other in self.profiles.values()
            if other.name != profile.name and not other.built_in
            for pattern in other.patterns
        }
        problems = []
        for place, texts in _topic_places(profile.whole):
            for index, text in enumerate(texts):
                for pattern in profile.patterns:
                    if pattern.text == text and pattern.shape in taken:
                        other, theirs = taken[pattern.shape]
                        problems.append((f"{place}/{index}", f"{other.name} has these topics: {theirs.text}"))
        if problems:
            raise ProfileError(problems)


def _topic_places(document: documents.Document) -> list[tuple[str, list[str]]]:
    places = [("/topics", document.topics), ("/ignore", document.ignore), ("/passing", document.passing)]
    return places + [(f"/confirm/{index}/topics", rule.topics) for index, rule in enumerate(document.confirm)]


def built_in_documents() -> dict[str, dict[str, Any]]:
    """The profiles of the program, by name."""
    folder = resources.files(__package__).joinpath("built_in")
    found = [
        msgspec.json.decode(entry.read_bytes(), type=dict[str, Any])
        for entry in folder.iterdir()
        if entry.name.endswith(".json")
    ]
    return {document["name"]: document for document in sorted(found, key=lambda one: str(one["name"]))}


class FixedProfiles:
    """Profiles to read by: those of the program, with none of a city's. Pure."""

    def __init__(
        self,
        *,
        clock_ahead: timedelta = AHEAD,
        registered: Callable[[str], tuple[str, str] | None] = nobody,
    ) -> None:
        """`registered` says which (entity id, type) a device has in the registry, None if it is not there."""
        self._clock_ahead = clock_ahead
        self.registered = registered
        self._catalogue = Catalogue()
        self._changed: list[Callable[[], None]] = []

    def all(self) -> list[Profile]:
        """Every profile, by name."""
        return [profile for _, profile in sorted(self._catalogue.profiles.items())]

    def get(self, name: str) -> Profile | None:
        """A profile by its name."""
        return self._catalogue.profiles.get(name)

    def patterns(self) -> list[Pattern]:
        """Patterns that together have every topic that a profile reads."""
        return self._catalogue.patterns()

    def on_change(self, callback: Callable[[], None]) -> None:
        """Call back after the set of profiles changed in this worker."""
        self._changed.append(callback)

    def find(self, topic: str) -> tuple[Profile, dict[str, str]] | None:
        """The profile that has this topic, and the levels that it names ("device" among them, where it knows)."""
        found = self._catalogue.find(topic)
        return None if found is None else (found[1].profile, dict(found[2]))

    def device_of(self, topic: str) -> str | None:
        """The device that a topic names."""
        found = self._catalogue.find(topic)
        return None if found is None else found[2].get("device")

    def passes(self, topic: str) -> bool:
        """Whether messages on this topic are kept nowhere, nor when they came."""
        found = self._catalogue.find(topic)
        return found is not None and found[1].passes

    def filter_of(self, topic: str) -> str:
        """The MQTT filter of the pattern that has a topic; of its first level where none has."""
        found = self._catalogue.find(topic)
        return f"{topic.split('/', 1)[0]:.200}/#" if found is None else found[0].filter()

    def arrival(self, moment: datetime, clock: Clock = "device") -> Arrival:
        """A moment of arrival, as reading needs it; many messages may share it."""
        return arrival_of(moment, self._clock_ahead, clock)

    def arrival_at(self, moments: Moments, nanoseconds: int, clock: Clock = "device") -> Arrival:
        """As `arrival`, for nanoseconds since 1970; quick where many are near each other."""
        moment, text = moments.at(nanoseconds)
        return Arrival(moment, text, moments.limit(nanoseconds, self._clock_ahead), clock)

    def read(self, topic: str, payload: bytes, arrived: datetime, *, clock: Clock = "device") -> Mapped:
        """A message by its profile. `clock="arrival"` gives every value the time of arrival. Raises Unmappable."""
        return self.read_at(topic, payload, self.arrival(arrived, clock))

    def read_at(self, topic: str, payload: bytes, arrival: Arrival) -> Mapped:
        """As `read`, with a moment from `arrival`."""
        return self._catalogue.read(topic, payload, arrival, self.registered)

    def try_(
        self, profile: str | dict[str, Any] | None, topic: str, payload: bytes, arrived: datetime
    ) -> Trial:
        """What a profile (a document, a name, or None: whichever has the topic) would make of a message. Pure."""
        arrival = self.arrival(arrived)
        if isinstance(profile, dict):
            try:
                chosen: Profile | None = self._catalogue.compiled(profile)
            except ProfileError as error:
                return Trial(profile=str(profile.get("name", ""))[:64], problems=error.problems)
        elif profile is not None:
            chosen = self.get(profile)
            if chosen is None:
                return Trial(profile=profile, problems=[("/name", f"there is no profile {profile!r:.80}")])
        else:
            found = self._catalogue.find(topic)
            chosen = found[1].profile if found is not None else None
            if chosen is None:
                return Trial(problems=[("", f"no profile has the topic {topic!r:.200}")], kind="topic")
        assert chosen is not None
        return trying.trial(chosen, topic, payload, arrival, self.registered)


class Profiles(FixedProfiles):
    """All of a city, one for each worker: reloaded on the wake-up "profiles" and after each save and delete."""

    def __init__(
        self,
        broker: Broker,
        bus: Bus,
        *,
        clock_ahead: timedelta = AHEAD,
        registered: Callable[[str], tuple[str, str] | None] = nobody,
    ) -> None:
        """As FixedProfiles; the city's own are there when this is open."""
        super().__init__(clock_ahead=clock_ahead, registered=registered)
        self._broker = broker
        self._bus = bus
        self._woken = asyncio.Event()
        self._task: asyncio.Task[None] | None = None

    async def open(self) -> None:
        """Load the city's own and follow their changes. Raises one of broker.Unavailable, BusUnavailable."""
        await self._load()
        await self._bus.on_wake("profiles", self._woken.set)
        self._task = asyncio.create_task(self._follow(), name="profiles")

    async def close(self) -> None:
        """Stop to follow."""
        await stop(self._task)

    # Changing them --------------------------------------------------------------------------------------------

    async def save(self, document: dict[str, Any], actor: str) -> Profile:
        """Make or change a profile of the city. Raises ProfileError; a built-in one cannot be changed."""
        async with self._broker.transaction() as transaction:
            own = await stored.locked(transaction.connection)
            profile = Catalogue(_usable(own)).compiled(document)
            if profile.name in built_in_documents():
                raise ProfileError(
                    [("/name", "a profile of the program cannot be changed: copy it under another name")]
                )
            catalogue = Catalogue(_usable({**own, profile.name: document}))
            if profile.name not in catalogue.profiles:
                raise ProfileError([("", "profiles that extend it could not be used any more")])
            catalogue.check(profile)
            broken = [name for name in own if name != profile.name and name not in catalogue.profiles]
            if broken and all(name in Catalogue(_usable(own)).profiles for name in broken):
                raise ProfileError(
                    [("", f"{', '.join(broken)}, which extends it, could not be used any more")]
                )
            await stored.save(transaction.connection, profile.name, document)
            action = "profile.change" if profile.name in own else "profile.add"
            await transaction.audit(actor, action, profile.name, {"document": document})
        await self._changed_here()
        return profile

    async def delete(self, name: str, actor: str) -> bool:
        """Delete a profile of the city; False if there is none. Raises ProfileError while others extend it, and for
        a built-in one."""
        if name in built_in_documents():
            raise ProfileError([("/name", "a profile of the program cannot be deleted")])
        async with self._broker.transaction() as transaction:
            own = await stored.locked(transaction.connection)
            children = [child for child, one in own.items() if one.get("extends") == name]
            if children:
                raise ProfileError([("/name", f"{', '.join(sorted(children))} extends it")])
            if name not in own:
                return False
            await stored.delete(transaction.connection, name)
            await transaction.audit(actor, "profile.delete", name, {"document": own[name]})
        await self._changed_here()
        return True

    # Following ------------------------------------------------------------------------------------------------

    async def _changed_here(self) -> None:
        await self._load()
        await self._bus.wake("profiles")

    async def _load(self) -> None:
        own = _usable(await stored.all(self._broker.database.pool))
        self._catalogue = Catalogue(own)
        for callback in self._changed:
            callback()

    async def _follow(self) -> None:
        pause = _AGAIN
        while True:
            try:
                async with asyncio.timeout(pause):
                    await self._woken.wait()
            except TimeoutError:
                pass
            self._woken.clear()
            try:
                await self._load()
                pause = _AGAIN
            except Unavailable as error:
                _log.warning("profiles: %s; looks again", error or type(error).__name__)
                pause = _RETRY
            except Exception:
                _log.exception("profiles: looks again")
                pause = _RETRY


def _usable(own: Mapping[str, dict[str, Any]]) -> dict[str, dict[str, Any]]:
    """Those of the city's profiles that compile: one that an older version let through must not keep devices out."""
    left = dict(own)
    while True:
        try:
            Catalogue(left)
            return left
        except ProfileError:
            broken = [name for name in left if not _compiles(left, name)]
            for name in broken or list(left):
                _log.error("the profile %s cannot be used and is left aside", name)
                del left[name]


def _compiles(own: Mapping[str, dict[str, Any]], name: str) -> bool:
    catalogue = Catalogue()
    catalogue._documents.update(own)
    try:
        catalogue.compiled(own[name])
    except ProfileError:
        return False
    return True
