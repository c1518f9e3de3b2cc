"""What the platform's own rooms put on the desk."""

from __future__ import annotations

import asyncio
import shutil
from datetime import UTC, datetime, timedelta

from rhinecloud.certificates import Expiry, Folder
from rhinecloud.people import Actor
from rhinecloud.people.legal import LANGUAGES, PAGES, Legal
from rhinecloud.store import attention

from .desk import Desk, Notice, counted
from .operations.devices import SILENCE
from .shell import City

LATELY = timedelta(days=1)
_RETURNED = timedelta(days=7)
_NEARLY_FULL = 0.9  # of the disk
_ENDING = timedelta(days=3)  # of the 14 days of an invitation
_MANY_FAILURES = 3  # one attempt may fail for reasons of the authority
_CERTIFICATE, _BACKUPS = "/health#part-certificate", "/health#part-backups"


async def silent_devices(city: City, actor: Actor) -> list[Notice]:
    """Devices that have not spoken for a day."""
    found = await attention.silent_devices(city.broker.database.pool, SILENCE)
    return counted(
        "look",
        found.count,
        found.since,
        ("Gerät schweigt seit über einem Tag", "device has been silent for more than a day"),
        ("Geräte schweigen seit über einem Tag", "devices have been silent for more than a day"),
        "/devices?silent=1d",
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


async def silenced_subscriptions(city: City, actor: Actor) -> list[Notice]:
    """Subscribers that are told nothing, because whose the subscription is may read nothing any more."""
    found = await attention.silenced_subscriptions(city.broker.database.pool)
    return counted(
        "alarm",
        found.count,
        found.since,
        ("Abonnement ist verstummt: Recht erloschen", "subscription fell silent: its right has ended"),
        ("Abonnements sind verstummt: Recht erloschen", "subscriptions fell silent: their right has ended"),
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
    """The certificate that is served, once it has to be renewed, and that the last attempt to renew it failed."""
    if city.settings.tls_cert is None:
        return []
    try:
        expiry = Expiry.of_file(city.settings.tls_cert)
    except (OSError, ValueError):
        text = ("Das Zertifikat kann nicht gelesen werden", "The certificate cannot be read")
        return [Notice("alarm", text, _CERTIFICATE)]
    return [*_ending(expiry), *(_not_renewed(Folder(city.settings.data)) if city.settings.acme_names else ())]


def _ending(expiry: Expiry) -> list[Notice]:
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
    return [Notice("look" if urgency == "soon" else "alarm", text, _CERTIFICATE)]


def _not_renewed(folder: Folder) -> list[Notice]:
    failures = folder.state.failures
    if folder.state.problem is None:
        return []
    text = (
        f"Das Zertifikat konnte nicht erneuert werden; Versuche: {failures}",
        f"The certificate could not be renewed; attempts: {failures}",
    )
    return [Notice("look" if failures < _MANY_FAILURES else "alarm", text, _CERTIFICATE)]


async def backups(city: City, actor: Actor) -> list[Notice]:
    """That the last good backup is too old, that there is none, or that none are made. An open installation is there
    to be looked at: nobody is told to back it up."""
    figures = await city.backups()
    if figures["every"] is None:
        text = ("Es werden keine Sicherungen gemacht", "No backups are made")
        return [] if city.settings.open else [Notice("look", text, _BACKUPS)]
    if not figures["late"]:
        return []
    if "reason" in figures:
        text = (
            "Der Ort der Sicherungen ist nicht zu erreichen",
            "The place of the backups cannot be reached",
        )
        return [Notice("alarm", text, _BACKUPS)]
    if figures["newest"] is None:
        text = ("Es gibt noch keine Sicherung", "There is no backup yet")
        return [Notice("look", text, _BACKUPS)]
    text = ("Die letzte gute Sicherung ist zu alt", "The last good backup is too old")
    return [Notice("alarm", text, _BACKUPS, since=datetime.fromisoformat(figures["newest"]))]


async def invitations(city: City, actor: Actor) -> list[Notice]:
    """Invitations that nobody took up and that are over in a few days."""
    soon = datetime.now(UTC) + _ENDING
    ending = [link for link in await city.people.invitations() if link.expires_at < soon]
    return counted(
        "hint",
        len(ending),
        min((link.created_at for link in ending), default=None),
        (
            "Einladung wurde nicht angenommen und läuft bald ab",
            "invitation was not taken up and is over soon",
        ),
        (
            "Einladungen wurden nicht angenommen und laufen bald ab",
            "invitations were not taken up and are over soon",
        ),
        "/people#invitations-title",
    )


async def legal_texts(city: City, actor: Actor) -> list[Notice]:
    """Texts that the operator answers for by law and has not filled in: each model text with gaps is one."""
    if city.settings.open:
        return []  # nobody but this machine reaches it
    legal = Legal(city.people, city.settings.city_name)
    texts = [await legal.text(page.key, code) for page in PAGES for code in LANGUAGES]
    return counted(
        "look",
        sum(bool(text.gaps) for text in texts),
        None,
        ("rechtlicher Text ist nicht ausgefüllt", "legal text is not filled in"),
        ("rechtliche Texte sind nicht ausgefüllt", "legal texts are not filled in"),
        "/legal",
    )


def add_to(desk: Desk) -> None:
    """Make the platform's own sources known."""
    desk.add("alarms", "devices.see", alarms)
    desk.add("devices", "devices.see", silent_devices)
    desk.add("unmapped", "unmapped.see", unmapped)
    desk.add("subscriptions", "subscriptions.see", failing_subscriptions)
    desk.add("silenced", "subscriptions.see", silenced_subscriptions)
    desk.add("jobs", "jobs.see", dead_jobs)
    desk.add("mail", "mail.see", lost_letters)
    desk.add("disk", "health.see", disk)
    desk.add("certificate", "health.see", certificate)
    desk.add("backups", "health.see", backups)
    desk.add("invitations", "people.manage", invitations)
    desk.add("legal", "legal.manage", legal_texts)
