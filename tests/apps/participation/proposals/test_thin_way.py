"""From a proposal to the answer: written, seen with its trail, answered by staff, its author told."""

from __future__ import annotations

import re

import httpx
import pytest

from tests.conftest import Server

from ..conftest import Organiser, told


@pytest.fixture(scope="module")
def written(organiser: Organiser) -> int:
    return write(organiser)


def write(organiser: Organiser, **given: str) -> int:
    """A new proposal; its number."""
    fields = {"title": "Eine Bank am Rathaus", "text": "Man kann dort nirgends sitzen.\n\nBitte eine Bank."}
    where = organiser.post("/proposals/new", **(fields | given))
    return int(re.findall(r"/proposals/(\d+)", where)[0])


def page(organiser: Organiser, number: int, language: str = "de") -> str:
    answer = organiser.client.get(f"/participation/proposals/{number}", headers={"Accept-Language": language})
    assert answer.status_code == 200
    return answer.text


def entity(server: Server, number: int) -> dict[str, object] | None:
    answer = httpx.get(f"{server.base_url}/ngsi-ld/v1/entities/urn:ngsi-ld:Proposal:{number}")
    return answer.json() if answer.status_code == 200 else None


def test_it_is_received_and_seen_with_its_trail(organiser: Organiser, written: int) -> None:
    shown = page(organiser, written)
    assert "Eine Bank am Rathaus" in shown and "Was wurde daraus?" in shown
    assert "Eingegangen" in shown and "28 Tage" in shown
    known = entity(organiser.server, written)
    assert known is not None and known["type"] == "Proposal"
    assert known["state"] == {"type": "Property", "value": "received"}


def test_an_answer_stops_the_clock(organiser: Organiser) -> None:
    number = write(organiser)
    assert f"/proposals/{number}" in organiser.client.get("/participation/waiting").text
    organiser.post(f"/proposals/{number}/steps", step="answer", said="Wir prüfen den Ort.", office="Bauamt")
    shown = page(organiser, number)
    assert "Wir prüfen den Ort." in shown and "Bauamt" in shown and "Beantwortet" in shown
    assert f"/proposals/{number}" not in organiser.client.get("/participation/waiting").text
    assert entity(organiser.server, number)["state"]["value"] == "answered"  # type: ignore[index]


def test_what_cannot_follow_is_refused(organiser: Organiser) -> None:
    number = write(organiser)
    answer = organiser.client.post(
        f"/participation/proposals/{number}/steps", data={"step": "finish", "office": "Bauamt", "said": ""}
    )
    assert answer.status_code == 422 and "inzwischen weiter" in " ".join(told(answer.text))
    answer = organiser.client.post(
        f"/participation/proposals/{number}/steps", data={"step": "decline", "office": "Bauamt", "said": " "}
    )
    assert answer.status_code == 422  # a refusal has reasons
    assert entity(organiser.server, number)["state"]["value"] == "received"  # type: ignore[index]
