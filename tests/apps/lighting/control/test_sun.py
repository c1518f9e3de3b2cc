"""Times of sunset and sunrise against the ephemeris of XEphem, and where there are none."""

from __future__ import annotations

from datetime import UTC, date, datetime, timedelta

import ephem
import numpy as np
import pytest

from rhinecloud.apps.lighting.control.sun import Event, nights, sky

_GRAZING = (ephem.AlwaysUpError, ephem.NeverUpError)


def precisely(longitude: float, latitude: float, night: date, elevation: float) -> tuple[float, float]:
    """Set and rise after the sun's noon of that date, without refraction."""
    site = ephem.Observer()
    site.lon, site.lat, site.pressure, site.horizon = str(longitude), str(latitude), 0, str(elevation)
    site.date = datetime(night.year, night.month, night.day, 12) - timedelta(seconds=240 * longitude)
    found = [
        event(ephem.Sun(), use_center=True).datetime().replace(tzinfo=UTC).timestamp()
        for event in (site.next_setting, site.next_rising)
    ]
    return found[0], found[1]


@pytest.mark.parametrize("event", list(Event))
@pytest.mark.parametrize("longitude", [-58.4, 6.76, 172.6])
def test_a_year_of_nights_is_within_ten_seconds(event: Event, longitude: float) -> None:
    latitudes = np.arange(35.0, 65.1, 5.0)
    first, worst, compared = date(2026, 1, 1), dict.fromkeys(latitudes, 0.0), 0
    sets, rises = nights(np.full(latitudes.size, longitude), latitudes, first, 365, event.elevation)
    for row, latitude in enumerate(latitudes):
        for day in range(0, 365, 6):
            try:
                found = precisely(longitude, float(latitude), first + timedelta(day), event.elevation)
            except _GRAZING:
                continue
            here = np.array([sets[row, day], rises[row, day]])
            if found[1] - found[0] > 900:  # the sun does not just touch that elevation
                worst[latitude] = max(worst[latitude], float(np.max(np.abs(here - found))))
                compared += 1
    assert compared > 200
    assert max(worst.values()) < 10.0
    assert max(error for latitude, error in worst.items() if latitude <= 50) < 0.5


def test_other_decades_are_as_good() -> None:
    for year in (1995, 2010, 2049):
        first = date(year, 1, 1)
        sets, rises = nights(6.76, 51.43, first, 365)
        for day in range(0, 365, 30):
            found = precisely(6.76, 51.43, first + timedelta(day), Event.SUNSET.elevation)
            assert (sets[0, day], rises[0, day]) == pytest.approx(found, abs=10)


def test_where_the_sun_does_not_set_there_is_no_time_and_where_it_does_not_rise_it_is_dark_for_ever() -> None:
    tromsoe = nights(18.96, 69.65, date(2026, 6, 20), 3)
    assert np.isnan(tromsoe).all()
    winter = nights(18.96, 69.65, date(2026, 12, 20), 3)
    assert (winter[0] == -np.inf).all() and (winter[1] == np.inf).all()
    # In Flensburg nautical twilight lasts all night about midsummer, civil twilight ends.
    flensburg = sky(9.43, 54.78, date(2026, 6, 21))
    assert np.isnan(flensburg[Event.NAUTICAL]).all() and not np.isnan(flensburg[Event.CIVIL]).any()


def test_lamps_together_have_the_times_that_they_have_alone() -> None:
    generator = np.random.default_rng(7)
    east, north = generator.uniform(5, 15, 200), generator.uniform(47, 55, 200)
    together = nights(east, north, date(2026, 5, 1), 90, Event.CIVIL.elevation)
    for row in range(0, 200, 20):
        alone = nights(east[row], north[row], date(2026, 5, 1), 90, Event.CIVIL.elevation)
        for one, other in zip(together, alone, strict=True):
            np.testing.assert_allclose(one[row], other[0], atol=1.0, rtol=0)


def test_a_night_is_between_two_noons_and_none_is_none() -> None:
    sets, rises = nights([6.76, 150.0], [51.43, -33.0], date(2026, 1, 1), 2)
    assert sets.shape == rises.shape == (2, 2)
    local_noon = datetime(2026, 1, 1, 12, tzinfo=UTC).timestamp() - 240 * np.array([6.76, 150.0])
    assert (local_noon < sets[:, 0]).all() and (sets < rises).all()
    assert (rises[:, 0] < local_noon + 86_400).all()
    assert nights([], [], date(2026, 1, 1), 5)[0].shape == (0, 5)
    assert nights(1.0, 2.0, date(2026, 1, 1), 0)[0].shape == (1, 0)
