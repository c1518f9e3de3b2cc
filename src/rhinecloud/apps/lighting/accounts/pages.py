"""The pages of the accounts: figures by district, group and month, and the factors that they stand on."""

from __future__ import annotations

import csv
import io
import math
from collections.abc import Sequence
from datetime import date, timedelta
from typing import Any, Final
from urllib.parse import urlencode

import msgspec
from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import RedirectResponse, Response

from rhinecloud.city import City
from rhinecloud.web.forms import fields

from ..cadastre.lamps import Lamp
from . import keeping
from .chart import chart
from .counting import terms_of
from .sums import Factor, Sums, last_of

_COLUMNS: Final = (
    "period",
    "area",
    "days",
    "lamps",
    "energy_kwh",
    "energy_measured_kwh",
    "energy_estimated_kwh",
    "time_measured",
    "time_estimated",
    "time_unknown",
    "burning_hours",
    "baseline_kwh",
    "saved_kwh",
    "cost_eur",
    "co2_kg",
)
_LONGEST: Final = 300  # letters of a source
_LARGEST: Final = 10_000.0  # of a factor


class Asked(msgspec.Struct, frozen=True, kw_only=True):
    """What of the accounts is shown. `month` 0: the whole year."""

    year: int
    month: int
    kind: str
    area: str
    parts: str

    @property
    def first(self) -> date:
        """The first day."""
        return date(self.year, self.month or 1, 1)

    @property
    def last(self) -> date:
        """The last day."""
        return last_of(self.first) if self.month else date(self.year, 12, 31)

    @property
    def by(self) -> str:
        """What a row stands for."""
        return "day" if self.month else "month"

    @property
    def periods(self) -> list[date]:
        """All days of the month, or all months of the year."""
        if self.month:
            return [self.first + timedelta(number) for number in range((self.last - self.first).days + 1)]
        return [date(self.year, month, 1) for month in range(1, 13)]

    def address(self, **other: Any) -> str:
        """The query that asks for this, or for this but for something."""
        area = {} if self.kind == "city" else {self.kind: self.area}
        given = {"year": self.year, "month": self.month, **area, "parts": self.parts, **other}
        return urlencode({name: value for name, value in given.items() if value not in (None, "")})


def read(request: Request, newest: date) -> Asked:
    """What is asked for; by default the newest month of the city."""
    given = request.query_params
    kind = next((one for one in ("lamp", "group", "district") if given.get(one, "").strip()), "city")
    try:
        year = int(given.get("year", newest.year))
        month = int(given.get("month", newest.month if "year" not in given else 0))
        date(year, month or 1, 1)
    except ValueError:
        raise HTTPException(404) from None
    parts = "group" if given.get("parts") == "group" else "district"
    return Asked(year=year, month=month, kind=kind, area=given.get(kind, "").strip(), parts=parts)


async def overview(city: City, request: Request) -> Response:
    """Figures, chart and tables."""
    pool = city.db.pool
    months = await keeping.months(pool)
    asked = read(request, months[0] if months else city.clock.today())
    rows = await keeping.sums(pool, asked.kind, asked.area, asked.first, asked.last, asked.by)
    whole = await keeping.sums(pool, asked.kind, asked.area, asked.first, asked.last, "area")
    names = await _group_names(city)
    return city.render(
        request,
        "lighting/accounts.html",
        asked=asked,
        total=whole.get(asked.area, Sums()),
        rows=rows,
        chart=chart(asked.periods, rows),
        parts=await _parts(city, asked, names),
        years=sorted({month.year for month in months} | {asked.year}, reverse=True),
        districts=[one for one in await keeping.areas(pool, "district") if one],
        groups=sorted(
            ((one, names.get(one, one)) for one in await keeping.areas(pool, "group")), key=lambda one: one[1]
        ),
        names=names,
        csv=f"/{city.app}/accounts.csv?{asked.address()}",
        days=(min(asked.last, city.clock.today() - timedelta(1)) - asked.first).days + 1,
        may_configure=city.people.who(request).may("lighting.configure"),
    )


async def _parts(city: City, asked: Asked, names: dict[str, str]) -> list[tuple[str, str, Sums]]:
    """Districts or groups of the city in this time: id, name, figures; those that used most first."""
    if asked.kind != "city":
        return []
    found = await keeping.sums(city.db.pool, asked.parts, None, asked.first, asked.last, "area")
    ordered = sorted(found.items(), key=lambda one: -one[1].energy)
    return [(area, names.get(area, area), sums) for area, sums in ordered]


async def _group_names(city: City) -> dict[str, str]:
    return {
        group: values[0]
        async for some in city.values("StreetlightGroup", "name")
        for group, values in some
        if isinstance(values[0], str)
    }


async def of_lamp(city: City, request: Request, lamp: Lamp) -> dict[str, Any]:
    """What a lamp used in the newest month that was counted, as its page shows it."""
    months = await keeping.months(city.db.pool)
    month = months[0] if months else city.clock.today().replace(day=1)
    found = await keeping.sums(city.db.pool, "lamp", lamp.id, month, last_of(month), "area")
    return {"month": month, "total": found.get(lamp.id)}


async def as_csv(city: City, request: Request) -> Response:
    """The same as a table: rows of the time, then the parts of it."""
    months = await keeping.months(city.db.pool)
    asked = read(request, months[0] if months else city.clock.today())
    rows = await keeping.sums(city.db.pool, asked.kind, asked.area, asked.first, asked.last, asked.by)
    names = await _group_names(city)
    area = asked.area and names.get(asked.area, asked.area)
    lines = [_line(_period(one, asked), area or city.name, sums) for one, sums in rows.items()]
    lines += [
        _line(_period(asked.first, asked, whole=True), name, sums)
        for _, name, sums in await _parts(city, asked, names)
    ]
    headers = {"Content-Disposition": 'attachment; filename="lighting-accounts.csv"'}
    return Response("\ufeff" + _text(lines), media_type="text/csv; charset=utf-8", headers=headers)


def _period(one: date, asked: Asked, whole: bool = False) -> str:
    if whole:
        return f"{one:%Y-%m}" if asked.month else f"{one:%Y}"
    return one.isoformat() if asked.month else f"{one:%Y-%m}"


def _line(period: str, area: str, sums: Sums) -> list[Any]:
    known = sums.known
    # A cell that begins like a formula is one to a spreadsheet.
    safe = f"'{area}" if area[:1] in "=+-@\t" else area
    return [
        period,
        safe,
        sums.days,
        sums.lamps,
        _rounded(sums.energy / 1_000 if known else None),
        _rounded(sums.measured / 1_000),
        _rounded(sums.estimated / 1_000),
        *(_rounded(sums.share(of), 4) for of in ("measured", "estimated", "unknown")),
        _rounded(sums.burning_seconds / 3_600 if known else None),
        _rounded(sums.baseline / 1_000 if sums.baseline else None),
        _rounded(None if sums.saved is None else sums.saved / 1_000),
        _rounded(sums.cost if known and not sums.unpriced else None, 2),
        _rounded(sums.co2 if known and not sums.unrated else None),
    ]


def _rounded(value: float | None, digits: int = 3) -> float | str:
    return "" if value is None else round(value, digits)


def _text(lines: Sequence[Sequence[Any]]) -> str:
    text = io.StringIO()
    csv.writer(text).writerows([_COLUMNS, *lines])
    return text.getvalue()


# What it stands on -----------------------------------------------------------------------------------------------


async def factors(city: City, request: Request) -> Response:
    """Prices, CO₂ factors, and how it is counted."""
    return await _factors(city, request, {}, "")


async def _factors(
    city: City, request: Request, given: dict[str, str], wrong: str, status: int = 200
) -> Response:
    return city.render(
        request,
        "lighting/accounts_factors.html",
        status,
        factors=await keeping.factors(city.db.pool),
        terms=terms_of(city),
        given=given,
        wrong=wrong,
        today=city.clock.today(),
        may_configure=city.people.who(request).may("lighting.configure"),
    )


async def set_factor(city: City, request: Request) -> Response:
    """Write a factor, or say which field is wrong."""
    given = {name: text.strip() for name, text in (await fields(request)).items()}
    factor, wrong = _factor(given)
    if factor is None:
        return await _factors(city, request, given, wrong, 422)
    await keeping.set_factor(city, city.people.who(request), factor)
    return RedirectResponse(f"/{city.app}/accounts/factors?done=set", 303)


def _factor(given: dict[str, str]) -> tuple[Factor | None, str]:
    kind, source = given.get("kind", ""), given.get("source", "")
    if kind not in ("price", "co2"):
        return None, "kind"
    try:
        value = float(given.get("value", "").replace(",", "."))
    except ValueError:
        return None, "value"
    if not math.isfinite(value) or not 0 <= value <= _LARGEST:
        return None, "value"
    since, until = _date(given.get("since", "")), _date(given.get("until", ""))
    if since is None:
        return None, "since"
    if given.get("until") and (until is None or until < since):
        return None, "until"
    if not 0 < len(source) <= _LONGEST or not source.isprintable():
        return None, "source"
    return Factor(kind=kind, since=since, until=until, value=value, source=source), ""


def _date(text: str) -> date | None:
    try:
        found = date.fromisoformat(text)
    except ValueError:
        return None
    return found if 2000 <= found.year < 2200 else None


async def remove_factor(city: City, request: Request) -> Response:
    """Take a factor away."""
    given = await fields(request)
    since = _date(given.get("since", ""))
    actor = city.people.who(request)
    if since is None or not await keeping.remove_factor(city, actor, given.get("kind", ""), since):
        raise HTTPException(404)
    return RedirectResponse(f"/{city.app}/accounts/factors?done=removed", 303)


async def count_again(city: City, request: Request) -> Response:
    """Count every day of a month anew that is over."""
    given = await fields(request)
    month = _date(given.get("month", "") + "-01")
    if month is None:
        raise HTTPException(422)
    days = [month + timedelta(number) for number in range((last_of(month) - month).days + 1)]
    async with city.transaction() as transaction:
        for day in days:
            if day < city.clock.today():
                await city.jobs.enqueue(transaction, "accounts-count", day, key=f"accounts-count-{day}")
        actor = city.people.who(request)
        await transaction.audit(actor.id, "lighting.accounts.count", f"{month:%Y-%m}")
    return RedirectResponse(f"/{city.app}/accounts?year={month.year}&month={month.month}&done=counting", 303)
