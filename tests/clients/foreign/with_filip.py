"""What a user of FiLiP does (RWTH Aachen; written against Orion-LD)."""

import requests
from filip.clients.ngsi_ld.cb import ContextBrokerLDClient
from filip.models.base import FiwareLDHeader
from filip.models.ngsi_ld.context import (
    ActionTypeLD,
    ContextLDEntity,
    ContextLDEntityKeyValues,
    ContextProperty,
    NamedContextProperty,
    NamedContextRelationship,
)
from filip.models.ngsi_ld.subscriptions import Endpoint, EntityInfo, NotificationParams, SubscriptionLD
from steps import receiver


def _client(url, **options):
    return ContextBrokerLDClient(url=url, fiware_header=FiwareLDHeader(), **options)


def _lamp(number, kind="FpLamp", **more):
    return ContextLDEntity(
        id=f"urn:ngsi-ld:{kind}:{number}",
        type=kind,
        power={"type": "Property", "value": float(number), "unitCode": "WTT", "observedAt": "2026-01-01T12:00:00Z"},
        name={"type": "Property", "value": f"lamp {number}"},
        location={"type": "GeoProperty", "value": {"type": "Point", "coordinates": [6.7, 51.4 + number / 100]}},
        refPost={"type": "Relationship", "object": f"urn:ngsi-ld:Post:{number}"},
        **more,
    )  # fmt: skip


def _status(failing):
    try:
        failing()
    except requests.HTTPError as error:
        assert error.response.json()["detail"]
        return error.response.status_code
    return None


def creates_retrieves_and_deletes(url):
    with _client(url) as client:
        lamp = _lamp(1, "FpOne")
        assert client.post_entity(lamp).endswith("/entities/urn:ngsi-ld:FpOne:1")
        found = client.get_entity(lamp.id)
        power = found.model_dump()["power"]
        assert (power["value"], power["unitCode"], power["observedAt"]) == (1, "WTT", "2026-01-01T12:00:00Z")
        assert [one.name for one in found.get_relationships()] == ["refPost"]
        assert found.model_dump()["location"]["value"]["coordinates"] == (6.7, 51.41)
        plain = client.get_entity(lamp.id, options="keyValues")
        assert isinstance(plain, ContextLDEntityKeyValues)
        assert plain.model_dump()["name"] == "lamp 1"
        assert "createdAt" in client.get_entity(lamp.id, options="sysAttrs").model_dump()
        assert "name" not in client.get_entity(lamp.id, attrs=["power"]).model_dump()
        client.delete_entity_by_id(lamp.id)
        assert _status(lambda: client.get_entity(lamp.id)) == 404


def tells_errors(url):
    with _client(url) as client:
        lamp = _lamp(1, "FpErrors")
        client.post_entity(lamp)
        assert _status(lambda: client.post_entity(lamp)) == 409
        assert _status(lambda: client.delete_entity_by_id("urn:ngsi-ld:FpErrors:none")) == 404
        assert _status(lambda: client.delete_attribute(lamp.id, "none")) == 404
        assert _status(lambda: client.get_entity_list(entity_type="FpErrors", q="power>>1")) == 400


def posts_again_to_append_or_override(url):
    with _client(url) as client:
        client.post_entity(_lamp(1, "FpAgain"))
        more = ContextLDEntity(
            id="urn:ngsi-ld:FpAgain:1", type="FpAgain", colour={"type": "Property", "value": "warm"}
        )
        client.post_entity(more, append=True)
        both = client.get_entity(more.id).model_dump()
        assert (both["colour"]["value"], both["power"]["value"]) == ("warm", 1)
        client.post_entity(more, update=True)
        assert "power" not in client.get_entity(more.id).model_dump()


def updates_attributes(url):
    with _client(url) as client:
        lamp = _lamp(1, "FpUpdate")
        client.post_entity(lamp)
        client.update_entity_attribute(lamp.id, ContextProperty(value=7.5), "power")
        assert client.get_entity(lamp.id).model_dump()["power"]["value"] == 7.5
        lamp.delete_properties(["name"])
        lamp.add_properties({"colour": ContextProperty(value="warm")})
        client.append_entity_attributes(lamp, options="noOverwrite")
        kept = client.get_entity(lamp.id).model_dump()
        assert (kept["power"]["value"], kept["colour"]["value"]) == (7.5, "warm")
        changed = ContextLDEntity(id=lamp.id, type=lamp.type)
        changed.add_properties([NamedContextProperty(name="power", value=9)])
        changed.add_relationships([NamedContextRelationship(name="refPost", object="urn:ngsi-ld:Post:2")])
        client.replace_existing_attributes_of_entity(changed)
        kept = client.get_entity(lamp.id).model_dump()
        assert (kept["power"]["value"], kept["refPost"]["object"]) == (9, "urn:ngsi-ld:Post:2")
        client.delete_attribute(lamp.id, "colour")
        assert "colour" not in client.get_entity(lamp.id).model_dump()


def queries_with_q_and_geo_page_by_page(url):
    with _client(url, pagination_limit=10) as client:
        lamps = [_lamp(n, "FpQuery") for n in range(1, 26)]
        client.entity_batch_operation(entities=lamps, action_type=ActionTypeLD.CREATE)

        def numbers(**query):
            found = client.get_entity_list(entity_type="FpQuery", **query)
            return sorted(int(lamp.id.rpartition(":")[2]) for lamp in found)

        assert numbers() == list(range(1, 26))
        assert numbers(q="power>20") == [21, 22, 23, 24, 25]
        assert numbers(q='name=="lamp 3"|power==4') == [3, 4]
        assert numbers(id_pattern=".*:1$") == [1]
        assert numbers(entity_id=lamps[4].id) == [5]
        near = {"georel": "near;maxDistance==1500", "geometry": "Point", "coordinates": "[6.7,51.41]"}
        assert numbers(**near) == [1, 2]
        assert numbers(**near, geoproperty="location", q="power>1") == [2]
        assert len(client.get_entity_list(entity_type="FpQuery", limit=7)) == 7
        (plain,) = client.get_entity_list(
            entity_type="FpQuery", q="power==4", options="keyValues", attrs=["name"]
        )
        assert plain.model_dump(exclude={"context"}, exclude_none=True) == {
            "id": lamps[3].id,
            "type": "FpQuery",
            "name": "lamp 4",
        }


def writes_batches(url):
    with _client(url) as client:
        lamps = [_lamp(n, "FpBatch") for n in range(1, 4)]

        def write(action, entities, **more):
            client.entity_batch_operation(entities=entities, action_type=action, **more)

        def done(action, entities, **more):
            try:
                write(action, entities, **more)
            except RuntimeError:  # nothing of it was done
                return False
            return True

        def values():
            found = client.get_entity_list(entity_type="FpBatch")
            return sorted(one.model_dump()["power"]["value"] for one in found)

        write(ActionTypeLD.CREATE, lamps[:2])
        write(ActionTypeLD.CREATE, lamps)  # one of them is new: no error
        assert values() == [1, 2, 3]
        assert not done(ActionTypeLD.CREATE, lamps)
        later = [
            _lamp(n + 10, "FpBatch").model_copy(update={"id": _lamp(n, "FpBatch").id}) for n in (1, 2, 3)
        ]
        assert not done(ActionTypeLD.UPDATE, later, options="noOverwrite")
        assert values() == [1, 2, 3]
        write(ActionTypeLD.UPDATE, later)
        assert values() == [11, 12, 13]
        write(ActionTypeLD.UPSERT, lamps, options="update")
        assert values() == [1, 2, 3]
        write(ActionTypeLD.UPSERT, later, options="replace")
        assert values() == [11, 12, 13]
        write(ActionTypeLD.DELETE, lamps)
        assert values() == []


def carries_its_context_in_the_body(url):
    with _client(url) as client:
        lamp = ContextLDEntity(
            id="urn:ngsi-ld:FpContext:1",
            type="FpContext",
            **{"@context": {"brightness": "https://x.example/brightness"}},
            brightness={"type": "Property", "value": 3},
        )
        client.post_entity(lamp)
        assert "https://x.example/brightness" in client.get_entity(lamp.id).model_dump()
        client.entity_batch_operation(entities=[lamp], action_type=ActionTypeLD.UPSERT, options="update")


def checks_relationships(url):
    with _client(url) as client:
        client.post_entity(_lamp(1, "FpRelated"))
        there = NamedContextRelationship(name="near", object="urn:ngsi-ld:FpRelated:1")
        missing = NamedContextRelationship(name="near", object="urn:ngsi-ld:FpRelated:none")
        assert client.validate_relationship(there) is True
        assert client.validate_relationship(missing) is False


def subscribes_and_is_told(url):
    with _client(url) as client, receiver() as (address, told):
        wanted = SubscriptionLD(
            description="of bright lamps",
            entities=[EntityInfo(type="FpTold")],
            watchedAttributes=["power"],
            q="power>5",
            notification=NotificationParams(
                attributes=["power"],
                format="keyValues",
                endpoint=Endpoint(uri=address, accept="application/json"),
            ),
        )
        subscription = client.post_subscription(wanted)
        found = client.get_subscription(subscription)
        assert (found.q, found.watchedAttributes) == ("power>5", ["power"])
        assert subscription in [one.id for one in client.get_subscription_list()]
        client.post_entity(_lamp(1, "FpTold"))
        client.post_entity(_lamp(8, "FpTold"))
        body = told.get(timeout=20)
        assert body["data"] == [{"id": "urn:ngsi-ld:FpTold:8", "type": "FpTold", "power": 8}]
        found.q = "power>100"
        client.update_subscription(
            SubscriptionLD(**{**wanted.model_dump(), "id": subscription, "q": "power>100"})
        )
        assert client.get_subscription(subscription).q == "power>100"
        client.post_entity(_lamp(9, "FpTold"))
        client.post_entity(_lamp(101, "FpTold"))
        assert told.get(timeout=20)["data"][0]["id"] == "urn:ngsi-ld:FpTold:101"
        client.delete_subscription(subscription)
        assert _status(lambda: client.get_subscription(subscription)) == 404
