"""For whom passkeys are made, what a browser is called, what roles give, and links that are used once."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator

import pytest
import pytest_asyncio

from rhinecloud.people import PERMISSIONS, accounts, links, organisations
from rhinecloud.people.browsers import device_of
from rhinecloud.people.examination import examine_sign_in
from rhinecloud.people.passkeys import RelyingParty
from rhinecloud.people.roles import ROLES, permissions_of
from rhinecloud.people.secrets import digest, draw
from rhinecloud.people.service import first_link
from rhinecloud.settings import Settings, load
from rhinecloud.store import Connections, RoomDatabase, Rooms, migrations_in


@pytest.mark.parametrize(
    ("public_url", "host", "expected"),
    [
        (None, "localhost:8080", ("localhost", "http://localhost:8080")),
        (None, "127.0.0.1:8080", None),
        (None, "evil.example", None),
        (None, "localhost.evil.example", None),
        ("https://city.example/", "evil.example", ("city.example", "https://city.example")),
        ("https://city.example:8443", "city.example:8443", ("city.example", "https://city.example:8443")),
        ("http://city.example", "city.example", None),
        ("https://192.0.2.7", "192.0.2.7", None),
        ("https://[2001:db8::7]:8443", "[2001:db8::7]:8443", None),
        ("http://localhost:8080", "localhost:8080", ("localhost", "http://localhost:8080")),
    ],
)
def test_passkeys_are_bound_to_our_own_name(
    public_url: str | None, host: str, expected: tuple[str, str] | None
) -> None:
    party = RelyingParty.of(Settings(public_url=public_url), "http", host)
    assert (party and (party.id, party.origin)) == expected


@pytest.mark.parametrize(
    ("given", "level", "words"),
    [
        ({"public_url": "https://city.example", "host": "0.0.0.0"}, "good", "bound to city.example"),
        ({"public_url": "https://192.0.2.7", "host": "0.0.0.0"}, "wrong", "address in numbers"),
        ({"tls_cert": "/a", "tls_key": "/b", "host": "0.0.0.0"}, "wrong", "--public-url https://"),
        ({"acme_domain": "city.example www.city.example", "port": "443"}, "good", "at https://city.example;"),
        ({"acme_domain": "city.example"}, "good", "at https://city.example:8080;"),
        ({"tls_cert": "/a", "tls_key": "/b"}, "note", "https://localhost"),
        ({}, "note", "http://localhost"),
        ({"open": True}, "good", "--open"),
    ],
)
async def test_where_people_sign_in_is_told_before_they_try(
    given: dict[str, str | bool], level: str, words: str
) -> None:
    found, text = await examine_sign_in(load(given, {}))
    assert found == level and words in text, text


def test_a_device_is_named_without_its_version() -> None:
    assert (
        device_of("Mozilla/5.0 (X11; Linux x86_64; rv:140.0) Gecko/20100101 Firefox/140.0")
        == "Firefox, Linux"
    )
    iphone = "Mozilla/5.0 (iPhone; CPU iPhone OS 18_0 like Mac OS X) AppleWebKit/605.1.15 Version/18.0 Safari/604.1"
    assert device_of(iphone) == "Safari, iPhone"
    edge = "Mozilla/5.0 (Windows NT 10.0) AppleWebKit/537.36 Chrome/140.0.0.0 Safari/537.36 Edg/140.0"
    assert device_of(edge) == "Edge, Windows"
    assert device_of("curl/8") == ""


def test_roles_give_known_permissions_only() -> None:
    assert all(name in PERMISSIONS for role in ROLES.values() for name in role.permissions)
    assert permissions_of([])[1] is False and "account" in permissions_of([])[0]
    assert permissions_of(["administrator"])[1] is True
    assert "people.manage" not in permissions_of(["operator", "editor", "member"])[0]
    assert permissions_of(["emperor"]) == permissions_of([])


def test_a_secret_is_long_and_kept_as_a_hash() -> None:
    drawn = {draw() for _ in range(100)}
    assert len(drawn) == 100 and all(len(secret) >= 43 for secret in drawn)
    assert all(secret.encode() not in digest(secret) and len(digest(secret)) == 32 for secret in drawn)


@pytest_asyncio.fixture
async def room(database_url: str) -> AsyncIterator[RoomDatabase]:
    prepared = await Rooms(database_url).prepare("room_people", migrations_in("rhinecloud.people"))
    connections = Connections(database_url, 6)
    yield RoomDatabase(connections, prepared)
    await connections.close()


async def test_a_link_is_used_once_and_ends(room: RoomDatabase) -> None:
    async with room.transaction() as connection:
        secret = await links.make(connection, "register", "anonymous", mail="a@example.org")
    link = await links.find(room.pool, secret, "register")
    assert link is not None and link.mail == "a@example.org"
    assert await links.find(room.pool, secret, "invite", "recover") is None
    assert await links.find(room.pool, draw(), "register") is None

    async def use() -> bool:
        async with room.transaction() as connection:
            return await links.use(connection, link.id)

    assert sorted(await asyncio.gather(use(), use(), use())) == [False, False, True]
    assert await links.find(room.pool, secret, "register") is None
    async with room.transaction() as connection:
        late = await links.make(connection, "register", "anonymous")
        await connection.execute("UPDATE link SET expires_at = now() - interval '1 second'")
    assert await links.find(room.pool, late, "register") is None


async def test_the_first_link_is_made_until_there_is_an_administrator(room: RoomDatabase) -> None:
    async with room.transaction() as connection:
        first = await first_link(connection, only_if_nobody=True)
        second = await first_link(connection, only_if_nobody=True)
    assert first and second and await links.find(room.pool, first, "first") is None
    assert await links.find(room.pool, second, "first") is not None
    async with room.transaction() as connection:
        account = await accounts.make(connection, b"handle", "Leitung", None, "de")
        city = await organisations.the_citys(connection, "Duisburg")
        await organisations.join(connection, account, city, "administrator")
        assert await first_link(connection, only_if_nobody=True) is None
        assert await first_link(connection, only_if_nobody=False)
        # Who is blocked looks after nothing.
        await accounts.block(connection, account, blocked=True)
        assert await organisations.administrators(connection) == 0
        assert await first_link(connection, only_if_nobody=True)


async def test_addresses_and_names_are_had_once(room: RoomDatabase) -> None:
    async with room.transaction() as connection:
        one = await accounts.make(connection, b"1", "Eins", "Wer@example.org", "de")
        with pytest.raises(accounts.MailTaken):
            await accounts.make(connection, b"2", "Zwei", "wer@EXAMPLE.org", "de")
        two = await accounts.make(connection, b"2", "Zwei", None, "de")
        with pytest.raises(accounts.MailTaken):
            await accounts.set_mail(connection, two, "wer@example.org")
        found = await accounts.of_mail(connection, "WER@example.org")
        assert found is not None and found.id == one
        await organisations.make(connection, "Stadtwerke")
        with pytest.raises(organisations.NameTaken):
            await organisations.make(connection, "stadtwerke")
        with pytest.raises(LookupError):
            await organisations.join(connection, one, 999, "member")
