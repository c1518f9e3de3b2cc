"""The pages of groups in a browser: both languages, light and dark, on a small phone."""

from __future__ import annotations

import pytest

from tests.web.conftest import Visiting, axe_and_width, browser, visit

from ..conftest import Organiser
from .test_keeping import PDF

__all__ = ["browser", "visit"]

LONG = "Donaudampfschifffahrtsgesellschaftskapitänskajütenschlüsselanhängersammlung"


@pytest.mark.parametrize("theme", ["light", "dark"])
async def test_every_page_with_much_on_it(organiser: Organiser, visit: Visiting, theme: str) -> None:
    given = {"title": f"Wohnen {theme} {LONG}", "lead": "Wir planen.", "about": f"Eins {LONG}\n\nZwei"}
    path = organiser.post("/groups/new", **given).partition("?")[0]
    below = path.removeprefix("/participation")
    organiser.post(
        f"{below}/join", name=f"Ada {LONG}"[:80], organisation=LONG, **{"consent-newsletter": "on"}
    )
    number = organiser.rows(
        "SELECT m.number FROM app_participation.member m JOIN app_participation.theme_group g "
        "ON g.number = m.theme_group WHERE g.name = $1",
        path.rpartition("/")[2],
    )[0][0]
    join = organiser.post("/groups/new", title=f"Mobilität {LONG}").partition("?")[0] + "/join?x=1"
    await axe_and_width(visit, [f"{path}/members?done=accept", f"{path}/own?done=requested"], theme)
    organiser.post(f"{below}/members", action="accept", member=str(number))
    organiser.post(f"{below}/members", action="role", member=str(number), role="speaker")
    organiser.post(f"{below}/own", action="consents", **{"consent-named": "on"})
    invited = {"action": "invite", "name": "Ben", "mail": f"{'b' * 60}@example.org", "role": "member"}
    organiser.post(f"{below}/members", **invited)
    when = {"starts_at": "2030-03-01T18:00", "ends_at": "2030-03-01T20:00"}
    organiser.post(f"{below}/meetings/new", title="Auftakt", place=LONG, **when)
    meeting = organiser.rows("SELECT max(number) FROM app_participation.meeting")[0][0]
    files = {"file": (f"{LONG}.pdf", PDF)}
    assert organiser.client.post(f"{path}/documents", files=files).status_code == 303
    others = ["/participation/groups?made=1", "/participation/groups/new?x=1", join]
    own = ["?done=kept", "/members?done=known", "/own?done=words", "/edit?x=1", f"/meetings/{meeting}?x=1"]
    await axe_and_width(visit, [*others, *(path + rest for rest in own)], theme)
