"""What the platform's own rooms put on the desk."""

from __future__ import annotations

import asyncio
import shutil
from datetime import timedelta

from rhinecloud.certificates import Expiry
from rhinecloud.people import Actor
from rhinecloud.store import attention

from .desk import Desk, Notice, counted
from .shell import City

SILENCE = timedelta(days=1)
LATELY = timedelta(days=1)
_RETURNED = timedelta(days=7)
_NEARLY_FULL = 0.9  # of the disk


async def silent_devices(city: City, actor: Actor) -> list[Notice]:
    """Devices that have not spoken for a day."""
    found = await attention.silent_devices(city.broker.database.pool, SILENCE)
    return counted(
        "look",
        found.count,
        found.since,
        ("Gerät schweigt seit über einem Tag", "device has been silent for more than a day"),
        ("Geräte schweigen seit über einem Tag", "devices have been silent for more than a day"),
        "/devices",
    )


async def alarms(city: City, actor: Actor) -> list[Notice]:
    """Alarms of devices that nobody has acknowledged."""
    found = await attention.open_alarms(city.broker.database.pool)
    return counted(
        "alarm",
        found.count,
        found.since,
        ("offene Meldung zu Geräten", "open alarm of devices"),
        ("offene Meldungen zu Geräten", "open alarms of devices"),
        "/devices",
    )


async def unmapped(city: City, actor: Actor) -> list[Notice]:
    """Messages of the last day that nobody could read."""
    found = await attention.unmapped(city.broker.database.pool, LATELY)
    return counted(
        "look",
        found.count,
        found.since,
        ("Nachricht war nicht zuzuordnen", "message could not be assigned"),
        ("Nachrichten waren nicht zuzuordnen", "messages could not be assigned"),
        "/unmapped",
    )


async def failing_subscriptions(city: City, actor: Actor) -> list[Notice]:
    """Subscribers that do not take what they are told."""
    found = await attention.failing_subscriptions(city.broker.database.pool)
    return counted(
        "alarm",
        found.count,
        found.since,
        ("Abonnement wird nicht abgenommen", "subscription is not taken"),
        ("Abonnements werden nicht abgenommen", "subscriptions are not taken"),
        "/subscriptions",
    )


async def dead_jobs(city: City, actor: Actor) -> list[Notice]:
    """Jobs that failed for good."""
    count, since = await city.jobs.dead()
    return counted(
        "alarm",
        count,
        since,
        ("Auftrag ist endgültig gescheitert", "job has failed for good"),
        ("Aufträge sind endgültig gescheitert", "jobs have failed for good"),
        "/jobs?state=dead",
    )


async def lost_letters(city: City, actor: Actor) -> list[Notice]:
    """Letters of the last week that did not arrive."""
    count, since = await city.mail.lost(_RETURNED)
    return counted(
        "look",
        count,
        since,
        ("E-Mail kam nicht an", "letter did not arrive"),
        ("E-Mails kamen nicht an", "letters did not arrive"),
        "/mail",
    )


async def disk(city: City, actor: Actor) -> list[Notice]:
    """The disk under the data of the embedded engines, once it is nearly full."""
    folder = city.settings.data
    if folder is None or not folder.exists():
        return []
    usage = await asyncio.to_thread(shutil.disk_usage, folder)
    used = usage.used / (usage.used + usage.free)
    if used < _NEARLY_FULL:
        return []
    share, left = round(100 * used), round(usage.free / 1e9, 1)
    text = (
        f"Der Datenträger ist zu {share} % voll; frei sind noch {left} GB".replace(".", ","),
        f"The disk is {share}% full; {left} GB are left",
    )
    return [Notice("alarm", text, "/health")]


async def certificate(city: City, actor: Actor) -> list[Notice]:
    """The certificate that is served, once it has to be renewed."""
    if city.settings.tls_cert is None:
        return []
    try:
        expiry = Expiry.of_file(city.settings.tls_cert)
    except (OSError, ValueError):
        text = ("Das Zertifikat kann nicht gelesen werden", "The certificate cannot be read")
        return [Notice("alarm", text, "/health")]
    urgency = expiry.urgency()
    if urgency == "good":
        return []
    days = max(int(expiry.days_left()), 0)
    text = {
        "over": ("Das Zertifikat ist abgelaufen", "The certificate is over"),
        "early": (
            "Das Zertifikat gilt noch nicht; geht die Uhr falsch?",
            "The certificate is not good yet; is the clock wrong?",
        ),
    }.get(
        urgency,
        (f"Das Zertifikat läuft ab; verbleibende Tage: {days}", f"The certificate ends; days left: {days}"),
    )
    return [Notice("look" if urgency == "soon" else "alarm", text, "/health")]


def add_to(desk: Desk) -> None:
    """Make the platform's own sources known."""
    desk.add("alarms", "devices.see", alarms)
    desk.add("devices", "devices.see", silent_devices)
    desk.add("unmapped", "unmapped.see", unmapped)
    desk.add("subscriptions", "subscriptions.see", failing_subscriptions)
    desk.add("jobs", "jobs.see", dead_jobs)
    desk.add("mail", "mail.see", lost_letters)
    desk.add("disk", "health.see", disk)
    desk.add("certificate", "health.see", certificate)
