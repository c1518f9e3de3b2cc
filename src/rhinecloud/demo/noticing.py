"""How soon the demo's city calls something a fault: within minutes, so that one can watch. Entered by the form of the
page, once; a real city waits longer, and whoever changes it here finds it as they left it."""

from __future__ import annotations

from collections.abc import Mapping
from html.parser import HTMLParser

PATH = "faults/thresholds"
_HOLDS = ("day_burner", "cycling", "dark", "dimming", "power")
IMPATIENT: Mapping[str, str] = {
    "cycle_minutes": "6",
    "settle_minutes": "1",
    "gather_minutes": "2",
    "settle_after_supply_minutes": "3",
    "contradicted_minutes": "5",
    "on_demand": "on",
    **{f"{kind}-begin_minutes": "1" for kind in _HOLDS},
    **{f"{kind}-end_minutes": "1" for kind in _HOLDS},
    **{f"{kind}-end_reports": "2" for kind in _HOLDS},
}


def impatient(page: str) -> dict[str, str]:
    """The form of the page with what the demo changes; nothing where it has no such fields."""
    form = _Form()
    form.feed(page)
    if not IMPATIENT.keys() - {"on_demand"} <= form.values.keys():
        return {}
    return {**form.values, **IMPATIENT}


class _Form(HTMLParser):
    """The fields of a page's forms as a browser would send them."""

    def __init__(self) -> None:
        super().__init__()
        self.values: dict[str, str] = {}
        self._select = ""

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        given = dict(attrs)
        name, value = given.get("name") or "", given.get("value") or ""
        if tag == "input" and name and (given.get("type") != "checkbox" or "checked" in given):
            self.values[name] = value
        elif tag == "select":
            self._select = name
        elif tag == "option" and self._select and ("selected" in given or self._select not in self.values):
            self.values[self._select] = value
