"""Sign-in by a real identity provider: roles by its claims, new keys, its absence, answers that are not for us."""

from __future__ import annotations

from collections.abc import AsyncIterator, Iterator
from urllib.parse import parse_qs, urlsplit

import httpx
import pytest

from rhinecloud.people.roles import ROLES
from rhinecloud.settings import Settings, SettingsError, load
from tests.conftest import Serve, Server

from .identity_provider import IdentityProvider, free_port, trusting

GROUPS = "admins=administrator;ops=operator@City Transit"


@pytest.fixture(scope="module")
def provider() -> Iterator[IdentityProvider]:
    found = IdentityProvider(free_port())
    yield found
    found.stop()


@pytest.fixture(scope="module")
def city(module_serve: Serve, provider: IdentityProvider) -> Server:
    """A server that trusts it."""
    return trusting(module_serve, provider, f"--oidc-roles={GROUPS}")


@pytest.fixture
async def browser(city: Server) -> AsyncIterator[httpx.AsyncClient]:
    async with httpx.AsyncClient(base_url=city.base_url, timeout=30) as client:
        yield client


async def test_who_signs_in_there_is_here_what_the_claims_say(
    city: Server, provider: IdentityProvider, browser: httpx.AsyncClient
) -> None:
    assert "/sign-in/oidc?next=/devices" in (await browser.get("/sign-in?next=/devices")).text
    answer = await provider.sign_in(browser, "/sign-in/oidc?next=/devices", "one+ops,others")
    assert answer.status_code == 303 and answer.headers["location"] == "/devices", answer.text
    held = next(one for one in answer.headers.get_list("set-cookie") if one.startswith("rhinecloud="))
    assert "HttpOnly" in held and "SameSite=lax" in held
    assert (await browser.get("/devices")).status_code == 200
    assert (await browser.get("/people")).status_code == 403
    page = (await browser.get("/account")).text
    assert "Name of one" in page and "City Transit" in page
    # Signing out here leads to the provider's sign-out, which knows whom it is about.
    answer = await browser.post("/sign-out", headers={"Origin": city.base_url})
    led = answer.headers["refresh"].partition("url=")[2]
    assert led.startswith(f"{provider.issuer}/session/end?") and "id_token_hint=" in led
    assert (await browser.get(led)).status_code == 200
    assert (await browser.get("/devices")).status_code == 303


async def test_roles_follow_the_claims_and_the_provider_may_have_new_keys(
    city: Server, provider: IdentityProvider
) -> None:
    async with httpx.AsyncClient(base_url=city.base_url, timeout=30) as client:
        await provider.sign_in(client, "/sign-in/oidc", "first+admins")
        assert (await client.get("/people")).status_code == 200
    provider.start(city.base_url)
    async with httpx.AsyncClient(base_url=city.base_url, timeout=30) as client:
        answer = await provider.sign_in(client, "/sign-in/oidc", "second+admins,ops")
        assert answer.status_code == 303, answer.text
        assert (await client.get("/people")).status_code == 200


async def test_answers_that_are_not_for_this_browser_are_refused(
    city: Server, provider: IdentityProvider
) -> None:
    async def begun(client: httpx.AsyncClient) -> dict[str, str]:
        answer = await client.get("/sign-in/oidc?next=//evil.example")
        asked = {
            name: values[0] for name, values in parse_qs(urlsplit(answer.headers["location"]).query).items()
        }
        assert asked["code_challenge_method"] == "S256" and asked["nonce"] and asked["state"]
        return asked

    async with (
        httpx.AsyncClient(base_url=city.base_url, timeout=30) as one,
        httpx.AsyncClient(base_url=city.base_url, timeout=30) as other,
    ):
        mine, theirs = await begun(one), await begun(other)
        good = {"state": mine["state"], "iss": provider.issuer, "code": "guessed"}
        for given in (
            {**good, "state": theirs["state"]},
            {**good, "state": ""},
            {**good, "iss": "https://evil.example"},
            {"state": mine["state"], "code": "guessed"},
            good,
            good,
        ):
            answer = await one.get("/sign-in/oidc/callback", params=given)
            assert answer.status_code == 502, given
            assert not any(held.startswith("rhinecloud=") for held in answer.headers.get_list("set-cookie"))
    provider.stop()
    async with httpx.AsyncClient(base_url=city.base_url, timeout=30) as client:
        # Its description is known; its answers are not to be had.
        answer = await client.get("/sign-in/oidc")
        assert answer.status_code in (303, 502)
        assert (await client.get("/sign-in")).status_code == 200
    provider.start(city.base_url)


def test_settings_say_what_is_wrong() -> None:
    for flags, words in (
        ({"oidc_issuer": "https://login.example.org"}, "needs oidc_client_id"),
        ({"oidc_issuer": "http://login.example.org", "oidc_client_id": "x"}, "is no https address"),
        ({"oidc_issuer": "https://login.example.org", "oidc_client_id": "x"}, "needs public_url"),
        ({"oidc_roles": "admins"}, "VALUE=ROLE"),
        ({"oidc_roles": "admins=king"}, "administrator, operator"),
    ):
        with pytest.raises(SettingsError, match=words):
            load(flags, {})
    for role in ROLES:
        assert Settings(oidc_roles=f"a=b={role}@X").oidc_mapping[0].value == "a=b"
