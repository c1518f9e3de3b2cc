"""What a user of ngsildclient does (Orange; written against Orion-LD, Scorpio and Stellio)."""

import asyncio
from datetime import datetime, timedelta
from urllib.parse import urlsplit

from ngsildclient import AsyncClient, Client, Entity, SubscriptionBuilder
from ngsildclient.api.constants import AggrMethod
from ngsildclient.api.exceptions import NgsiAlreadyExistsError, NgsiResourceNotFoundError
from ngsildclient.api.helper.temporal import TemporalQuery
from steps import receiver


def _client(url):
    address = urlsplit(url)
    return Client(hostname=address.hostname, port=address.port, verbose=False)


def _lamp(number, kind="NcLamp"):
    lamp = Entity(kind, f"{kind}:{number}")
    lamp.prop("power", float(number), unitcode="WTT", observedat=datetime(2026, 1, 1, 12, number))
    lamp.prop("name", f"lamp {number}")
    lamp.loc((51.4 + number / 100, 6.7))
    lamp.rel("refPost", f"Post:{number}")
    return lamp


def creates_retrieves_and_deletes(url):
    with _client(url) as client:
        lamp = _lamp(1, "NcOne")
        assert client.create(lamp)
        assert client.exists(lamp)
        found = client.get(lamp)
        assert found["power"]["value"] == 1
        assert found["power"]["unitCode"] == "WTT"
        assert found["power.observedAt"] == "2026-01-01T12:01:00Z"
        assert found["location.value.coordinates"] == [6.7, 51.41]
        assert found["refPost.object"] == "urn:ngsi-ld:Post:1"
        assert client.delete(lamp)
        assert not client.exists(lamp)


def tells_errors_by_their_types(url):
    with _client(url) as client:
        lamp = _lamp(1, "NcErrors")
        client.create(lamp)
        for failing, expected in (
            (lambda: client.create(lamp), NgsiAlreadyExistsError),
            (lambda: client.get("urn:ngsi-ld:NcErrors:none"), NgsiResourceNotFoundError),
            (lambda: client.entities.delete("urn:ngsi-ld:NcErrors:none"), NgsiResourceNotFoundError),
        ):
            try:
                failing()
            except expected as error:
                assert error.problemdetails.detail
            else:
                raise AssertionError(f"no {expected.__name__}")


def upserts_and_updates(url):
    with _client(url) as client:
        lamp = _lamp(1, "NcUpsert")
        assert client.upsert(lamp)
        lamp["power.value"] = 7.5
        assert client.upsert(lamp)
        assert client.get(lamp)["power.value"] == 7.5
        lamp["power.value"] = 8.5
        assert client.update(lamp)
        assert client.get(lamp)["power.value"] == 8.5


def queries_with_q_page_by_page(url):
    with _client(url) as client:
        lamps = [_lamp(n, "NcQuery") for n in range(1, 26)]
        assert client.batch.create(lamps).ok
        assert client.count("NcQuery") == 25
        assert len(client.query("NcQuery", limit=10)) == 25
        bright = client.query("NcQuery", q="power>20")
        assert sorted(lamp["power.value"] for lamp in bright) == [21, 22, 23, 24, 25]
        assert [lamp.id for lamp in client.query("NcQuery", q='name=="lamp 3";power<10')] == [lamps[2].id]
        assert len(client.query_head("NcQuery", n=3)) == 3
        assert len(list(client.query_generator("NcQuery"))) == 25
        assert "NcQuery" in client.types.list()
        client.drop("NcQuery")
        assert client.count("NcQuery") == 0


def queries_by_post_with_geo(url):
    with _client(url) as client:
        client.batch.create([_lamp(n, "NcGeo") for n in range(1, 6)])
        near = {
            "type": "Query",
            "entities": [{"type": "NcGeo"}],
            "q": "power>0",
            "geoQ": {"geometry": "Point", "coordinates": [6.7, 51.41], "georel": "near;maxDistance==1500"},
        }
        assert client.alt.count(near) == 2
        assert sorted(lamp["power.value"] for lamp in client.alt.query(near)) == [1, 2]


def writes_batches_and_tells_what_failed(url):
    with _client(url) as client:
        lamps = [_lamp(n, "NcBatch") for n in range(1, 4)]
        assert client.batch.create(lamps[:2]).n_ok == 2
        again = client.batch.create(lamps)
        assert (again.n_ok, again.n_err) == (1, 2)
        assert again.errors[0]["entityId"] in (lamps[0].id, lamps[1].id)
        for lamp in lamps:
            lamp["power.value"] = 99
        assert client.batch.upsert(lamps).n_ok == 3
        assert client.batch.upsert(lamps, update=True).n_ok == 3
        assert client.batch.update(lamps).ok
        assert [lamp["power.value"] for lamp in client.query("NcBatch")] == [99, 99, 99]
        assert client.batch.delete([*lamps, _lamp(9, "NcBatch")]).n_err == 1
        assert client.count("NcBatch") == 0


def subscribes_and_is_told(url):
    with _client(url) as client, receiver() as (address, told):
        wanted = (
            SubscriptionBuilder(address)
            .description("told of bright lamps")
            .select_type("NcTold")
            .watch(["power"])
            .notif(["power"])
            .build()
        )
        wanted["q"] = "power>5"  # the builder's query() percent-encodes it, which is for URIs (CIM 009 §4.9)
        subscription = client.subscriptions.create(wanted)
        assert client.subscriptions.exists(subscription)
        assert client.subscriptions.get(subscription)["watchedAttributes"] == ["power"]
        assert [one["id"] for one in client.subscriptions.list("told of")] == [subscription]
        client.create(_lamp(1, "NcTold"))
        client.create(_lamp(8, "NcTold"))
        body = told.get(timeout=20)
        assert body["subscriptionId"] == subscription
        assert [entity["id"] for entity in body["data"]] == ["urn:ngsi-ld:NcTold:8"]
        assert body["data"][0]["power"]["value"] == 8
        assert "name" not in body["data"][0]
        assert client.subscriptions.delete("told of")
        assert not client.subscriptions.exists(subscription)
        assert told.empty()


def reads_history(url):
    with _client(url) as client:
        lamp = _lamp(1, "NcHistory")
        client.create(lamp)
        for number in (2, 3, 4):
            lamp["power"] = _lamp(number)["power"]
            client.batch.upsert([lamp], update=True)
        series = client.temporal.get(lamp, attrs=["power"])
        assert sorted(series["power"]["values"], key=lambda value: value[1]) == [
            [n, f"2026-01-01T12:0{n}:00Z"] for n in (1, 2, 3, 4)
        ]
        full = client.temporal.get(lamp, attrs=["power"], verbose=True)
        assert len(full["power"]) == 4
        assert all(value["instanceId"] for value in full["power"])
        since = TemporalQuery().after("2026-01-01T12:02:30Z")
        (found,) = client.temporal.query(type="NcHistory", attrs=["power"], tq=since)
        assert sorted(value for value, _ in found["power"]["values"]) == [3, 4]
        between = TemporalQuery().between("2026-01-01T12:00:00Z", "2026-01-01T13:00:00Z")
        result = client.temporal.aggregate(
            type="NcHistory",
            attrs=["power"],
            tq=between,
            methods=[AggrMethod.AVERAGE, AggrMethod.MAXIMUM],
            period=timedelta(hours=1),
        )
        (hour,) = result.result[0]["power"]["avg"]
        assert hour[0] == 2.5
        assert result.result[0]["power"]["max"][0][0] == 4


def keeps_contexts(url):
    with _client(url) as client:
        client.contexts.add({"@context": {"brightness": "https://x.example/brightness"}})
        (kept,) = [one for one in client.contexts.list() if url.rstrip("/") in one]
        name = kept.rpartition("/")[2]
        assert client.contexts.exists(name)
        assert client.contexts.get(name)["@context"] == {"brightness": "https://x.example/brightness"}
        lamp = Entity("NcContext", "NcContext:1", ctx=[kept])
        lamp.prop("brightness", 3)
        client.create(lamp)
        assert client.get(lamp, ctx=kept)["brightness.value"] == 3
        assert "https://x.example/brightness" in client.get(lamp, asdict=True)
        assert client.contexts.delete(name)
        assert not client.contexts.exists(name)


def does_the_same_asynchronously(url):
    address = urlsplit(url)

    async def work():
        async with AsyncClient(hostname=address.hostname, port=address.port) as client:
            lamps = [_lamp(n, "NcAsync") for n in range(1, 4)]
            assert await client.create(lamps[0])
            assert (await client.batch.upsert(lamps)).ok
            assert await client.count("NcAsync") == 3
            assert len(await client.query("NcAsync", q="power>1")) == 2
            assert await client.delete(lamps[0])

    asyncio.run(work())
