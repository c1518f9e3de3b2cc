"""Rows of what hangs on posts, and the entities that others may see of it."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from datetime import UTC, date, datetime, timedelta
from typing import Any, Final

import msgspec

from rhinecloud.city import City, Transaction
from rhinecloud.people import Actor

from ..cadastre.lamps import Lamp, lamps
from .conflicts import Attachment, Feeding, Grid
from .feeding import off_by_day

TYPE: Final = "PostAttachment"
_FIELDS: Final = tuple(name for name in Attachment.__struct_fields__ if name != "number")
_COLUMNS: Final = ", ".join(_FIELDS)
_HANGING: Final = f"SELECT number, {_COLUMNS}, version FROM carried WHERE removed_at IS NULL"


class Changed(Exception):  # noqa: N818  # says what became of the wish
    """Somebody else changed it meanwhile, or took it down; nothing was written."""


class Contact(msgspec.Struct, frozen=True):
    """Whom to call."""

    name: str = ""
    mail: str = ""
    phone: str = ""

    @property
    def given(self) -> bool:
        """Whether there is anybody."""
        return bool(self.name or self.mail or self.phone)


class Kept(msgspec.Struct, frozen=True):
    """An attachment with the version that whoever changes it has to name."""

    one: Attachment
    version: int


def urn(number: int) -> str:
    """The id of its entity."""
    return f"urn:ngsi-ld:{TYPE}:{number}"


async def hanging(city: City, lamp: str | None = None) -> list[Attachment]:
    """What hangs on posts now, or on this one, in the order of the posts."""
    records = await city.db.pool.fetch(
        f"{_HANGING} AND ($1::text IS NULL OR lamp = $1) ORDER BY lamp, number", lamp
    )
    names = dict(await city.people.organisations())
    return [_kept(record, names).one for record in records]


async def get(city: City, number: int) -> Kept | None:
    """One that hangs."""
    record = await city.db.pool.fetchrow(f"{_HANGING} AND number = $1", number)
    return None if record is None else _kept(record, dict(await city.people.organisations()))


async def contact(city: City, number: int) -> Contact:
    """Whom to call about it."""
    record = await city.db.pool.fetchrow(
        "SELECT name, mail, phone FROM carried_contact WHERE carried = $1", number
    )
    return Contact() if record is None else Contact(*record)


def _kept(record: Any, names: Mapping[int, str]) -> Kept:
    """Organisations are called as they are called now; of one that was removed the name stays."""
    of = dict(record)
    if of["organisation"] in names:
        of["owner"] = names[of["organisation"]]
    else:
        of["organisation"] = None
    return Kept(version=of.pop("version"), one=Attachment(**of))


async def write(
    city: City, actor: Actor, one: Attachment, lamp: Lamp | None, whom: Contact, before: int | None
) -> int:
    """Hang it up (`before` None), or change the version that was read. Its number. Raises Changed."""
    values = [getattr(one, name) for name in _FIELDS]
    async with city.transaction() as transaction:
        if before is None:
            places = ", ".join(f"${number}" for number in range(1, len(_FIELDS) + 1))
            number = await transaction.connection.fetchval(
                f"INSERT INTO carried ({_COLUMNS}, changed_at, changed_by) "
                f"VALUES ({places}, ${len(_FIELDS) + 1}, ${len(_FIELDS) + 2}) RETURNING number",
                *values,
                city.clock.now(),
                actor.id,
            )
        else:
            places = ", ".join(f"{name} = ${number}" for number, name in enumerate(_FIELDS, 5))
            number = await transaction.connection.fetchval(
                f"UPDATE carried SET {places}, version = version + 1, changed_at = $3, changed_by = $4 "
                "WHERE number = $1 AND version = $2 AND removed_at IS NULL RETURNING number",
                one.number,
                before,
                city.clock.now(),
                actor.id,
                *values,
            )
        if number is None:
            raise Changed(one.name)
        await _write_contact(transaction, number, whom, one.until)
        await transaction.upsert(document(msgspec.structs.replace(one, number=number), lamp))
        action = "lighting.carrier.attach" if before is None else "lighting.carrier.change"
        detail = {
            "lamp": one.lamp,
            "owner": one.owner,
            "organisation": one.organisation,
            "contract": one.contract,
            "power": one.power,
        }
        await transaction.audit(actor.id, action, urn(number), detail)
    return int(number)


async def _write_contact(transaction: Transaction, number: int, whom: Contact, until: date | None) -> None:
    connection = transaction.connection
    if not whom.given:
        await connection.execute("DELETE FROM carried_contact WHERE carried = $1", number)
        return
    end = None if until is None else datetime(until.year, until.month, until.day, tzinfo=UTC) + timedelta(1)
    await connection.execute(
        "INSERT INTO carried_contact (carried, name, mail, phone, needed_until) VALUES ($1, $2, $3, $4, $5) "
        "ON CONFLICT (carried) DO UPDATE SET name = excluded.name, mail = excluded.mail, phone = excluded.phone, "
        "needed_until = excluded.needed_until",
        number,
        whom.name,
        whom.mail,
        whom.phone,
        end,
    )


async def remove(city: City, actor: Actor, number: int) -> bool:
    """Take it down; false if it does not hang."""
    now = city.clock.now()
    async with city.transaction() as transaction:
        found = await transaction.connection.fetchval(
            "UPDATE carried SET removed_at = $2, changed_at = $2, changed_by = $3 "
            "WHERE number = $1 AND removed_at IS NULL RETURNING number",
            number,
            now,
            actor.id,
        )
        if found is not None:
            await transaction.connection.execute(
                "UPDATE carried_contact SET needed_until = least(needed_until, $2) WHERE carried = $1",
                number,
                now,
            )
            await transaction.delete(urn(number))
            await transaction.audit(actor.id, "lighting.carrier.remove", urn(number))
    return found is not None


def document(one: Attachment, lamp: Lamp | None) -> dict[str, Any]:
    """What others may see of it (docs/reference/lighting-carrier.md): neither the contract nor whom to call."""
    found: dict[str, Any] = {
        "id": urn(one.number),
        "type": TYPE,
        "name": one.name,
        "category": one.kind,
        "ownerName": one.owner,
        "maximumPower": {"type": "Property", "value": one.power, "unitCode": "WTT"},
        "needsPowerByDay": one.by_day,
        "refStreetlight": {"type": "Relationship", "object": one.lamp},
    }
    if lamp is not None:
        found["location"] = {"type": "Point", "coordinates": [lamp.lon, lamp.lat]}
    for name, text in (("whenSwitchedOff", one.when_off), ("whenReplaced", one.when_replaced)):
        if text:
            found[name] = text
    return found


# What carries ----------------------------------------------------------------------------------------------------


def feeder_of(lamp: Lamp) -> str | None:
    """By what the feeder of a lamp is known; numbers of feeders are unique within their cabinet only."""
    if lamp.feeder is None or lamp.feeder.startswith("urn:"):
        return lamp.feeder
    return f"{lamp.cabinet or lamp.district}:{lamp.feeder}"


async def grid(city: City, known: Iterable[Lamp]) -> Grid:
    """What these lamps and their feeders may give."""
    records = await city.db.pool.fetch("SELECT what, subject, watts FROM supply")
    off = await off_by_day(city)
    return Grid(
        posts={record[1]: record[2] for record in records if record[0] == "post"},
        feeders={record[1]: record[2] for record in records if record[0] == "feeder"},
        feeding={
            lamp.id: Feeding(feeder_of(lamp), off.isdisjoint((lamp.feeder, lamp.cabinet))) for lamp in known
        },
    )


async def carriers(city: City, attachments: Sequence[Attachment]) -> dict[str, Lamp]:
    """The lamps on whose posts these hang, as far as they are there."""
    found = await lamps(city, {one.lamp for one in attachments})
    return {lamp.id: lamp for lamp in found}


async def set_supply(city: City, actor: Actor, what: str, subject: str, watts: float | None) -> None:
    """What a post or a feeder may give beside the light; None: it is not known any more."""
    async with city.transaction() as transaction:
        if watts is None:
            await transaction.connection.execute(
                "DELETE FROM supply WHERE what = $1 AND subject = $2", what, subject
            )
        else:
            await transaction.connection.execute(
                "INSERT INTO supply (what, subject, watts, changed_at, changed_by) VALUES ($1, $2, $3, $4, $5) "
                "ON CONFLICT (what, subject) DO UPDATE SET watts = excluded.watts, "
                "changed_at = excluded.changed_at, changed_by = excluded.changed_by",
                what,
                subject,
                watts,
                city.clock.now(),
                actor.id,
            )
        await transaction.audit(actor.id, f"lighting.carrier.{what}", subject, {"watts": watts})


__all__ = [
    "Changed",
    "Contact",
    "Kept",
    "carriers",
    "contact",
    "document",
    "feeder_of",
    "get",
    "grid",
    "hanging",
    "remove",
    "set_supply",
    "urn",
    "write",
]
