"""What is published is seen by whom it is published to, everywhere, and by nobody else; withdrawn, by nobody."""

from __future__ import annotations

import asyncio
import re
from typing import Any

import httpx
import pytest

from rhinecloud.model.sight import Grant
from rhinecloud.people.policy import ANYONE, SIGNED_IN, NotPublishable, check
from tests.people.test_gate import House, house, server

__all__ = ["house", "server"]

DEFAULT = "https://uri.etsi.org/ngsi-ld/default-context/"
POST = "urn:ngsi-ld:Streetlight:policy"
STREET: list[dict[str, Any]] = [
    {
        "id": POST,
        "type": "Streetlight",
        "location": {"type": "Point", "coordinates": [6.75, 51.43]},
        "illuminanceLevel": {"value": 0.5, "observedAt": "2026-01-01T10:00:00Z"},
        "wear": {"value": 7, "observedAt": "2026-01-01T10:00:00Z"},
        "owner": {"type": "Relationship", "object": "urn:ngsi-ld:Contract:policy"},
    },
    {"id": "urn:ngsi-ld:Contract:policy", "type": "Contract", "price": 99},
]
# Every way to read, and what tells that the hidden attribute, or the hidden entity, is there.
READS = [
    "/ngsi-ld/v1/entities?type=Streetlight,Contract&limit=100",
    "/ngsi-ld/v1/entities?q=wear&type=Streetlight",
    "/ngsi-ld/v1/entities?attrs=wear",
    "/ngsi-ld/v1/entities?type=Streetlight&orderBy=wear&limit=100",
    "/ngsi-ld/v1/entities?q=owner%7Bprice%7D==99&join=flat",
    f"/ngsi-ld/v1/entities/{POST}?join=inline&joinLevel=2",
    "/ngsi-ld/v1/entities?type=Streetlight&join=flat&limit=100",
    "/ngsi-ld/v1/entities/urn:ngsi-ld:Contract:policy",
    f"/ngsi-ld/v1/temporal/entities/{POST}",
    "/ngsi-ld/v1/temporal/entities?type=Streetlight&timerel=after&timeAt=2020-01-01T00:00:00Z",
    "/ngsi-ld/v1/temporal/entities?type=Streetlight&q=wear==7&timerel=after&timeAt=2020-01-01T00:00:00Z",
    "/ngsi-ld/v1/types?details=true",
    "/ngsi-ld/v1/types/Streetlight",
    "/ngsi-ld/v1/types/Contract",
    "/ngsi-ld/v1/attributes?details=true",
    "/ngsi-ld/v1/attributes/wear",
    f"/objects/{POST}?lang=en",
    f"/objects/{POST}/history?attribute=wear&lang=en",
    "/objects/urn:ngsi-ld:Contract:policy",
    "/objects?lang=en",
    "/map/search?search=ngsi-ld",
    "/?lang=en",
]


async def seen(client: httpx.AsyncClient, *, of: list[str] = READS) -> str:
    """All that somebody is shown, without what they asked."""
    found = []
    for path in of:
        answer = await client.get(path)
        assert answer.status_code in (200, 404), (path, answer.status_code, answer.text[:300])
        if answer.status_code == 200:
            # What was asked for is no secret to who asked.
            found.append(re.sub(r"(attribute=|attribute%3D)wear", "", answer.text))
    return "\n".join(found)


async def publish(client: httpx.AsyncClient, **wish: str) -> None:
    answer = await client.post(
        "/publishing", data={"audience": ANYONE, "type": DEFAULT + "Streetlight", **wish}
    )
    assert answer.status_code == 303, answer.text


async def test_what_is_published_is_seen_and_nothing_else(house: House) -> None:
    _, _, operator = await house.person("operator")
    _, organisation, editor = await house.person("editor")
    _, _, citizen = await house.person()
    _, partner_organisation, partner = await house.person("member")
    async with (
        house.client(cookie=operator) as writing,
        house.client(cookie=editor) as publishing,
        house.client() as anybody,
        house.client(cookie=citizen) as citizen_client,
        house.client(cookie=partner) as partner_client,
    ):
        answer = await writing.post("/ngsi-ld/v1/entityOperations/upsert", json=STREET)
        assert answer.status_code in (201, 204), answer.text
        hidden = ("policy", "illuminanceLevel", "wear", "Contract", "Streetlight")
        nothing = await seen(anybody)
        assert not [word for word in hidden if word in nothing.replace(POST, "")]
        assert (await anybody.get(f"/ngsi-ld/v1/entities/{POST}")).status_code == 404
        assert (await anybody.get("/publishing", headers={"Accept": "text/html"})).status_code == 303
        assert (await citizen_client.get("/publishing")).status_code == 403

        # Look first, publish then.
        wish = {"type": DEFAULT + "Streetlight", "attribute": DEFAULT + "illuminanceLevel", "lang": "en"}
        preview = (await publishing.get("/publishing/~new", params=wish)).text
        assert "What would be seen" in preview and "illuminanceLevel" in preview
        shown = preview[preview.index("What would be seen") :]
        assert "owner" not in shown and "wear" not in shown
        location = "https://uri.etsi.org/ngsi-ld/location"
        await publish(publishing, attributes=f"{DEFAULT}illuminanceLevel {location}")
        public = await seen(anybody)
        assert "illuminanceLevel" in public and POST in public
        assert not [word for word in ("wear", "Contract", "price") if word in public]
        points = await anybody.get("/map/points", headers={"Accept-Encoding": "identity"})
        assert b'"count":1' in points.content

        # Audiences are a union; a partner sees what is for the partner.
        await publish(
            publishing, audience=f"organisation:{partner_organisation}", attributes=f"{DEFAULT}wear"
        )
        assert "wear" in await seen(partner_client)
        for client in (anybody, citizen_client):
            assert "wear" not in await seen(client)
        await publish(publishing, audience=SIGNED_IN, type=DEFAULT + "Contract")
        assert "price" in await seen(citizen_client)
        assert "price" not in await seen(anybody)
        assert "price" in await seen(partner_client)

        # Live views end when what may be seen is something else; withdrawn is withdrawn.
        listing = (await publishing.get("/publishing?lang=en")).text
        numbers = re.findall(r'action="/publishing/(\d+)"', listing)
        assert len(numbers) == 3
        async with anybody.stream("GET", "/live/map") as live:
            assert live.status_code == 200
            for number in numbers:
                answer = await publishing.post(f"/publishing/{number}", data={"action": "withdraw"})
                assert answer.status_code == 303
            async with asyncio.timeout(20):
                async for _ in live.aiter_bytes():
                    pass
        assert (
            await publishing.post(f"/publishing/{numbers[0]}", data={"action": "withdraw"})
        ).status_code == 404
        for client in (anybody, citizen_client, partner_client):
            text = await seen(client)
            assert not [word for word in hidden if word in text.replace(POST, "")]
        lines = await house.room.pool.fetchval(
            "SELECT count(*) FROM publication WHERE withdrawn_by IS NOT NULL"
        )
        assert lines == 3


@pytest.mark.parametrize(
    ("audience", "grant"),
    [
        (ANYONE, Grant()),
        (ANYONE, Grant(attributes=frozenset({"urn:x:a"}))),
        ("everyone", Grant(frozenset({"urn:x:T"}))),
        ("role:king", Grant(frozenset({"urn:x:T"}))),
        ("organisation:x", Grant(frozenset({"urn:x:T"}))),
        (ANYONE, Grant(frozenset({"a\nb"}))),
    ],
)
def test_what_cannot_be_published(audience: str, grant: Grant) -> None:
    with pytest.raises(NotPublishable):
        check(audience, grant, None)
    check(ANYONE, Grant(frozenset({"urn:x:T"})), None)
