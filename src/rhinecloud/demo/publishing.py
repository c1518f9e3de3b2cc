"""What the demo's city shows to everybody: where its lamp posts stand and how bright they are. Like a person, by the
form of the page."""

from __future__ import annotations

import httpx

_STREETLIGHT = "https://uri.etsi.org/ngsi-ld/default-context/Streetlight"
_SHOWN = (
    "https://uri.etsi.org/ngsi-ld/location",
    "https://uri.etsi.org/ngsi-ld/default-context/powerState",
    "https://uri.etsi.org/ngsi-ld/default-context/illuminanceLevel",
)


async def publish(http: httpx.AsyncClient) -> bool:
    """Publish the lamp posts to everybody, unless something is published already. Whether it was done: an installation
    that wants people to sign in, or that has no pages, lets nobody."""
    page = await http.get("/publishing")
    if page.status_code != 200 or 'action="/publishing/' in page.text:
        return False
    wish = {"audience": "anyone", "type": _STREETLIGHT, "attributes": " ".join(_SHOWN)}
    answer = await http.post("/publishing", data=wish, headers={"Origin": str(http.base_url).rstrip("/")})
    return answer.status_code == 303
