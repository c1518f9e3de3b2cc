"""What `mqtt_bridge` may say, and what is said of it."""

from __future__ import annotations

import re
from itertools import product
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from rhinecloud import bridge_address
from rhinecloud.bridge_address import overlap, parse
from rhinecloud.gateways import floods, mqtt
from rhinecloud.gateways.bridge import bridge, line
from rhinecloud.gateways.bridge.identity import content_of, delivery_of, prefix_of, repeated
from rhinecloud.settings import Settings, SettingsError, load

SECRET = "gr0sses-geheimnis"
REFERENCE = Path(__file__).parents[2] / "docs/reference"


def test_the_reference_names_every_option_and_figure_and_no_other() -> None:
    text = (REFERENCE / "bridge.md").read_text()
    options = bridge_address._ONCE | bridge_address._SEVERAL
    assert {*re.findall(r"`(\w+)=`", text)} == options
    figures = text.partition("## Figures")[2]
    told = {
        name for row in re.findall(r"^\| (`.*?) \|", figures, re.M) for name in re.findall(r"`(\w+)`", row)
    }
    assert told == {*bridge.Figures.__struct_fields__}
    assert f"{line.MOST_WAITING:,} messages or {line.MOST_BYTES // 2**20} MiB" in text
    assert [bridge._PAUSES[0], bridge._PAUSES[1], bridge._PAUSES[-1]] == [1, 2, 60]
    (example,) = re.findall(r"RHINECLOUD_MQTT_BRIDGE='(.*)'", text)
    assert parse(example)[0].topics == ("v3/+/devices/+/up",)


def test_the_reference_of_floods_has_the_real_limits() -> None:
    text = (REFERENCE / "floods.md").read_text()
    assert f"({Settings().device_rate} unless set" in text
    assert f"{mqtt.MOST_LATE:,} messages or {mqtt.MOST_LATE_BYTES // 2**20} MiB" in text
    assert (floods.WINDOW, floods._FIRST_REFUSAL, floods._LONGEST_REFUSAL, floods._FORGIVEN) == (
        10,
        5,
        300,
        600,
    )


def test_an_address_says_all_there_is() -> None:
    (one,) = parse(
        f"mqtts://bridge:{SECRET}%40x@broker.example/?topic=v3/%2B/devices/+/up&topic=air/%23&prefix=north/"
        "&name=loRa&client=city-1&retained=yes&ca=/etc/ca.pem&cert=/c.pem&key=/k.pem"
    )
    assert (one.host, one.port, one.tls) == ("broker.example", 8883, True)
    assert (one.username, one.password) == ("bridge", SECRET + "@x")
    assert one.topics == ("v3/+/devices/+/up", "air/#")
    assert (one.prefix, one.name, one.client, one.retained) == ("north", "loRa", "city-1", True)
    assert (one.ca, one.cert, one.key) == (Path("/etc/ca.pem"), Path("/c.pem"), Path("/k.pem"))
    assert SECRET not in repr(one) + one.shown


def test_several_addresses_and_what_goes_without_saying() -> None:
    one, other = parse("mqtt://10.0.0.1?topic=a/#\n mqtt://[fd00::1]:11883?topic=+/b")
    assert (one.name, one.port, one.prefix, one.client, one.retained) == (
        "10.0.0.1:1883",
        1883,
        "",
        None,
        False,
    )
    assert (other.name, other.shown, other.topics) == ("fd00::1:11883", "mqtt://[fd00::1]:11883", ("+/b",))
    assert parse("") == ()


@pytest.mark.parametrize(
    ("text", "complaint"),
    [
        ("http://u:{}@h/?topic=a", "begin with mqtt://host"),
        ("mqtt://u:{}@/?topic=a", "begin with mqtt://host"),
        ("mqtt://u:{}@h:99999/?topic=a", "no URL with a valid host and port"),
        ("mqtt://u:{}@h/", "says no topic="),
        ("mqtt://u:{}@h/a/b?topic=a", "begins with ?topic="),
        ("mqtt://u:{}@h?topic=", "empty"),
        ("mqtt://u:{}@h?topic=a+/b", "+ stands for a whole level"),
        ("mqtt://u:{}@h?topic=a/#/b", "# stands for all that follows"),
        ("mqtt://u:{}@h?topic=a/%23&topic=a/b", "overlap"),
        ("mqtt://u:{}@h?topic=$share/g/a", "shares with nobody"),
        ("mqtt://u:{}@h?topic=a&prefix=x/+", "wildcard"),
        ("mqtt://u:{}@h?topic=a&ca=/x", "need mqtts://"),
        ("mqtts://u:{}@h?topic=a&cert=/x", "belong together"),
        ("mqtt://u:{}@h?topic=a&retained=maybe", "yes or no"),
        ("mqtt://u:{}@h?topic=a&name=1&name=2", "twice: name="),
        ("mqtt://u:{}@h?topic=a&colour=red", "unknown: colour="),
        ("mqtt://u:{}@h?topic=a mqtt://u:{}@h?topic=b", "two addresses are called h:1883"),
    ],
)
def test_what_cannot_be_used_is_told_without_the_password(text: str, complaint: str) -> None:
    with pytest.raises(SettingsError) as caught:
        load({"mqtt_bridge": text.replace("{}", SECRET)}, {})
    assert complaint in str(caught.value)
    assert SECRET not in str(caught.value)


LEVELS = st.lists(st.sampled_from(["a", "b", "", "+"]), min_size=1, max_size=3)
FILTERS = st.tuples(LEVELS, st.booleans()).map(lambda f: "/".join(f[0] + ["#"] * f[1]))
TOPICS = ["/".join(levels) for n in range(1, 6) for levels in product(["a", "b", ""], repeat=n)]


def matches(filter_: str, topic: str) -> bool:
    wanted, levels = filter_.split("/"), topic.split("/")
    if wanted[-1] == "#":
        wanted.pop()
        if len(levels) < len(wanted):
            return False
        levels = levels[: len(wanted)]
    return len(wanted) == len(levels) and all(
        w in ("+", level) for w, level in zip(wanted, levels, strict=True)
    )


@given(FILTERS, FILTERS)
def test_filters_overlap_when_a_topic_matches_both(one: str, other: str) -> None:
    assert overlap(one, other) == any(matches(one, topic) and matches(other, topic) for topic in TOPICS)


def test_a_repetition_is_the_newest_delivery_of_its_packet_with_the_same_content() -> None:
    prefix = prefix_of(3, 2, 17)
    on, off = content_of("lamp/1", b"on"), content_of("lamp/1", b"off")
    assert content_of("lamp/1o", b"n") != on
    first, second = delivery_of(prefix, 999, on), delivery_of(prefix, 10**18, off)
    assert repeated(prefix, off, [second, first]) == second
    assert repeated(prefix, on, [first, second]) is None, "the packet identifier is another message's since"
    assert repeated(prefix, on, [first + ".0", first + ".1"]) == first
    assert repeated(prefix, on, []) is None
    assert repeated(prefix_of(3, 2, 1), on, [first]) is None
