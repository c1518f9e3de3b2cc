"""People with phones, for the tests of phones and the stage."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any

import httpx
import pytest

from ..conftest import Organiser


class Phone:
    """Somebody in the hall, by HTTP only: takes part by an open link, and votes."""

    def __init__(self, url: str, code: str) -> None:
        headers = {"Sec-Fetch-Site": "same-origin", "Accept-Language": "de"}
        self.client = httpx.Client(base_url=url, timeout=30, headers=headers)
        self.path = f"/participation/e/{code}"
        assert self.client.get(self.path).status_code == 200

    def send(self, poll: int, **fields: Any) -> httpx.Response:
        """Send a form, as phone.js does."""
        given = {"poll": str(poll)} | {name.replace("_", "-"): str(value) for name, value in fields.items()}
        return self.client.post(f"{self.path}/vote", data=given, headers={"Accept": "application/json"})

    def vote(self, poll: int, **fields: Any) -> None:
        """A vote that counts."""
        answer = self.send(poll, **fields)
        assert answer.json().get("received") is True, answer.text


Phones = Callable[[str], Phone]


@pytest.fixture
def phones(organiser: Organiser) -> Iterator[Phones]:
    """`phones(code)`: one more person."""
    there: list[Phone] = []

    def one(code: str) -> Phone:
        there.append(Phone(organiser.url, code))
        return there[-1]

    yield one
    for phone in there:
        phone.client.close()
