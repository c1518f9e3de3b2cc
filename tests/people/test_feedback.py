"""Reports of barriers reach the operator by mail; without an address the job says so; no flood of them is taken."""

from __future__ import annotations

import asyncio
import email
import email.policy

import msgspec
import pytest

from rhinecloud.mail import BadAddress
from rhinecloud.people.feedback import MOST_AN_HOUR, Feedback, TooMany
from rhinecloud.settings import Settings

from .test_rights import House, at_home  # noqa: F401  # a fixture


async def test_a_report_reaches_the_operator(at_home: House) -> None:  # noqa: F811
    settings = msgspec.structs.replace(Settings(), contact_mail="barriers@duisburg.test")
    feedback = Feedback(at_home.people, at_home.jobs, settings)
    await at_home.jobs.open()
    with pytest.raises(BadAddress):
        await feedback.take("/map", "too small", "no address", "de")
    report = await feedback.take("/map", "Die Punkte sind zu klein.", "someone@example.org", "de")
    while not (letters := await at_home.mail.messages(recipient="barriers@duisburg.test")):
        await asyncio.sleep(0.02)
    message = await at_home.database.pool.fetchval("SELECT message FROM mail WHERE id = $1", letters[0].id)
    letter = email.message_from_bytes(message, policy=email.policy.default)
    body = letter.get_body(("plain",))
    assert body is not None and "Die Punkte sind zu klein." in body.get_content()
    assert letter["Reply-To"] == "someone@example.org" and "/map" in letter["Subject"]
    assert await feedback.answered(report, "person:1") and not await feedback.answered(report, "person:1")

    await at_home.people.room.pool.execute(
        "INSERT INTO feedback (about, message, language) SELECT '/', 'x', 'de' FROM generate_series(1, $1)",
        MOST_AN_HOUR,
    )
    with pytest.raises(TooMany):
        await feedback.take("/", "one more", None, "de")


async def test_without_an_address_the_job_says_so(at_home: House) -> None:  # noqa: F811
    feedback = Feedback(at_home.people, at_home.jobs, Settings())
    await feedback.take("/map", "too small", None, "en")
    await at_home.jobs.open()
    while not (dead := await at_home.jobs.list("dead")):
        await asyncio.sleep(0.02)
    assert dead[0].name == "feedback.tell" and "contact_mail" in (dead[0].reason or "")
