"""When a certificate is due, in which words one hears of it, and how pauses grow."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
import trustme

from rhinecloud.certificates import Expiry, Folder
from rhinecloud.certificates.renewal import due, pause
from rhinecloud.engines.checks import check_certificate
from rhinecloud.settings import Settings, SettingsError, load

BEGINS = datetime(2026, 1, 1, tzinfo=UTC)
DAY = timedelta(days=1)


def of(days: float) -> Expiry:
    return Expiry(("city.example.org",), "An authority", BEGINS, BEGINS + days * DAY)


@pytest.mark.parametrize(
    ("life", "left", "urgency", "words"),
    [
        (90, 30, "good", "is good until 2026-04-01"),
        (90, 21.5, "good", "is good until"),
        (90, 20.5, "soon", "The certificate for city.example.org ends in 20 days"),
        (90, 6.5, "urgent", "URGENT: the certificate for city.example.org ends in 6 days"),
        (90, 0.5, "urgent", "ends today"),
        (90, 0, "over", "THE CERTIFICATE for city.example.org has been over since 2026-04-01"),
        (90, 91, "early", "is not good before 2026-01-01 00:00 UTC: is the clock right?"),
        (6, 3, "good", "is good until"),  # the short-lived ones are renewed in their last third
        (6, 1.4, "soon", "ends in 1 day "),
    ],
)
def test_urgency(life: float, left: float, urgency: str, words: str) -> None:
    expiry = of(life)
    now = expiry.ends - left * DAY
    assert expiry.urgency(now) == urgency
    assert words in expiry.sentence(now)


def test_two_thirds_of_the_life_and_a_little_apart() -> None:
    assert due(of(90), 0) == BEGINS + 60 * DAY
    assert BEGINS + 61 * DAY < due(of(90), 1) < BEGINS + 62 * DAY


def test_pauses_grow_and_end_growing() -> None:
    minutes = [pause(failures, 0) / timedelta(minutes=1) for failures in range(1, 11)]
    assert minutes[:4] == [5, 10, 20, 40]
    assert minutes[-1] == pause(10_000, 0) / timedelta(minutes=1) == 720
    assert pause(1, 1) == timedelta(minutes=6.25)


def test_a_placeholder_is_closed_to_others_and_a_certificate_is_checked(tmp_path: Path) -> None:
    folder = Folder(tmp_path)
    folder.prepare(["city.example.org"])
    assert folder.is_placeholder(Expiry.of_file(folder.chain))
    before = folder.chain.read_bytes()
    folder.prepare(["city.example.org"])
    assert folder.chain.read_bytes() == before
    assert folder.key.stat().st_mode & 0o777 == 0o600

    issued = trustme.CA().issue_cert("city.example.org", not_after=datetime.now(UTC) + 5 * DAY)
    chain, key = tmp_path / "chain.pem", tmp_path / "key.pem"
    issued.cert_chain_pems[0].write_to_path(chain)
    issued.private_key_pem.write_to_path(key)
    (finding,) = check_certificate(Settings(tls_cert=chain, tls_key=key))
    assert finding.level == "wrong" and "URGENT" in finding.text
    (finding,) = check_certificate(Settings(tls_cert=chain, tls_key=folder.key))
    assert finding.level == "wrong" and "cannot be used" in finding.text
    assert list(check_certificate(Settings())) == []


@pytest.mark.parametrize("name", ["127.0.0.1", "localhost", "*.example.org", "a city.example.org"])
def test_names_that_nobody_certifies(name: str) -> None:
    with pytest.raises(SettingsError, match="no name that an authority certifies"):
        load({"acme_domain": name}, {})
    with pytest.raises(SettingsError, match="two ways to a certificate"):
        load({"acme_domain": "city.example.org", "tls_cert": "/a", "tls_key": "/b"}, {})
