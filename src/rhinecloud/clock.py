"""What time it is. One place to ask, so that tests and a demo may run faster than the sun."""

from __future__ import annotations

from datetime import UTC, date, datetime, tzinfo


class Clock:
    """The city's clock, in its time zone."""

    def __init__(self, zone: tzinfo = UTC) -> None:
        self.zone = zone

    def now(self) -> datetime:
        """The present instant, UTC."""
        return datetime.now(UTC)

    def today(self) -> date:
        """The day that it is in the city."""
        return self.now().astimezone(self.zone).date()
