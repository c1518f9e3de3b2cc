"""What the rooms below people keep of people, in the tenant's schema: they cannot declare by themselves, for they
do not know people. What an entity says of a person is declared with its type, by whoever brings it (`Entities`).
"""

from __future__ import annotations

from typing import Final

from ..register import Activity, Anonymise, Column, Delete, Passing, PersonalData, Retention, Table, Uploads
from .common import GONE, OPERATORS, PUBLIC_TASK, SECURITY, WITH_DEVICE

_AUDIT = Activity(
    key="audit",
    title=("Protokoll der Verwaltung", "Audit log"),
    purpose=(
        "nachweisen, wer wann was an der Anlage geändert hat, und Missbrauch aufklären",
        "to prove who changed what in the installation and when, and to clear up misuse",
    ),
    ground="c",
    provision=SECURITY,
    subjects=("Menschen mit Konto, Beschäftigte", "people with an account, staff"),
    recipients=(OPERATORS,),
    holdings=(
        Table(
            "audit",
            ("Zeilen im Protokoll der Verwaltung", "lines in the audit log"),
            (
                Column("at", ("Zeitpunkt", "moment")),
                Column("actor", ("wer", "who")),
                Column("action", ("was", "what")),
                Column("subject", ("woran", "on what")),
                Column("detail", ("Einzelheiten", "details")),
            ),
            {"actor": "actor"},
            Retention(("drei Jahre", "three years"), "at", 3 * 365),
            Anonymise(
                {"actor": GONE, "subject": f"CASE WHEN subject = actor THEN {GONE} ELSE subject END"},
                (
                    "Die Zeile bleibt ohne Namen: Was an der Anlage geändert wurde, muss nachweisbar sein "
                    "(Art. 5 Abs. 2, Art. 17 Abs. 3 Buchst. b DSGVO).",
                    "The line stays without the name: what was changed in the installation must be provable "
                    "(Art. 5(2), Art. 17(3)(b) GDPR).",
                ),
            ),
            ("id",),
        ),
    ),
)

_SUBSCRIPTIONS = Activity(
    key="subscriptions",
    title=("Abonnements", "Subscriptions"),
    purpose=(
        "Programme benachrichtigen, und nur von dem, was ihre Inhaber lesen dürfen",
        "to notify programs, and only of what their owners may read",
    ),
    ground="e",
    provision=PUBLIC_TASK,
    subjects=("Menschen mit Konto", "people with an account"),
    recipients=(OPERATORS,),
    holdings=(
        Table(
            "subscription",
            ("Ihre Abonnements", "your subscriptions"),
            (
                Column("owner", ("wessen", "whose"), shown=False),
                Column("id", ("Kennung", "identifier")),
                Column("document", ("Inhalt", "content")),
                Column("created_at", ("angelegt", "made")),
                Column("modified_at", ("geändert", "changed")),
            ),
            {"actor": "owner"},
            Retention(("bis sie gelöscht werden", "until they are deleted"), by="broker"),
            Delete(),
            ("number", "context", "since", "revision"),
        ),
    ),
)

_MAIL = Activity(
    key="mail",
    title=("Post", "Mail"),
    purpose=(
        "Menschen schreiben, die es wollten oder wissen müssen, und wissen, ob es ankam",
        "to write to people who asked for it or have to know, and to know whether it arrived",
    ),
    ground="e",
    provision=PUBLIC_TASK,
    subjects=("Empfängerinnen und Empfänger", "recipients"),
    recipients=(OPERATORS, ("der Mailserver der Stadt", "the city's mail server")),
    holdings=(
        Table(
            "mail",
            ("Briefe, die an Sie gingen oder warten", "letters that went to you, or wait"),
            (
                Column("recipient", ("Adresse", "address")),
                Column("letter", ("welcher Brief", "which letter")),
                Column("language", ("Sprache", "language")),
                Column("message", ("Wortlaut, solange er wartet", "text while it waits"), shown=False),
                Column("state", ("was daraus wurde", "what became of it")),
                Column("created_at", ("geschrieben", "written")),
                Column("sent_at", ("gesendet", "sent")),
                Column("answer", ("Antwort des Mailservers", "answer of the mail server")),
            ),
            {"mail": "lower(recipient)"},
            Retention(
                (
                    "so viele Tage, wie die Einstellung mail_retention_days sagt",
                    "the days of mail_retention_days",
                ),
                "created_at",
                setting="mail_retention_days",
                by="mail",
            ),
            Delete(),
            ("id", "token", "app", "attempts", "due_at", "give_up_at", "ended_at", "status"),
        ),
    ),
)

_FILES = Activity(
    key="files",
    title=("Hochgeladene Dateien", "Uploaded files"),
    purpose=("aufbewahren, was Menschen zu ihren Anliegen hochladen", "to keep what people upload"),
    ground="e",
    provision=PUBLIC_TASK,
    subjects=("Menschen, die etwas hochladen", "people who upload something"),
    recipients=(OPERATORS,),
    holdings=(
        Uploads(
            ("Dateien, die Sie hochgeladen haben", "files that you uploaded"),
            Retention(("bis die Anwendung sie entfernt", "until the app removes them"), by="files"),
        ),
    ),
)

_DEVICES = Activity(
    key="devices",
    title=("Geräte", "Devices"),
    purpose=(
        "Geräte der Stadt und von Privatleuten anschließen und Störungen klären",
        "to connect devices of the city and of private people, and to clear up faults",
    ),
    ground="e",
    provision=PUBLIC_TASK,
    subjects=(
        "Ansprechpersonen und Eigentümer von Geräten, Beschäftigte",
        "contacts and owners of devices, staff",
    ),
    recipients=(OPERATORS,),
    holdings=(
        Table(
            "unmapped",
            (
                "Nachrichten Ihrer Geräte, die nicht zugeordnet wurden",
                "messages of your devices not assigned",
            ),
            (
                Column("at", ("Zeitpunkt", "moment")),
                Column("device", ("Gerät", "device")),
                Column("topic", ("Thema", "topic")),
                Column("payload", ("Inhalt", "content")),
                Column("reason", ("Grund", "reason"), shown=False),
            ),
            {"device": "device"},
            Retention(
                (
                    "so viele Tage, wie die Einstellung unmapped_retention_days sagt",
                    "the days of unmapped_retention_days",
                ),
                "at",
                setting="unmapped_retention_days",
                by="gateways",
            ),
            Delete(),
            (
                "id",
                "source",
                "delivery",
                "kind",
                "profile",
                "pattern",
                "cause",
                "arrived",
                "tried_at",
                "tries",
            ),
            mentions=("encode(payload, 'escape')", "topic"),
        ),
        Table(
            "device_alarm",
            ("Störungen Ihrer Geräte", "faults of your devices"),
            (
                Column("device", ("Gerät", "device")),
                Column("kind", ("Art", "kind")),
                Column("first_at", ("zuerst", "first")),
                Column("last_at", ("zuletzt", "last")),
                Column("detail", ("Einzelheiten", "details")),
            ),
            {"device": "device"},
            Retention(
                ("90 Tage, nachdem sie erledigt sind", "90 days after they were settled"), by="gateways"
            ),
            Delete(),
            ("id", "times", "acknowledged_at"),
        ),
        Table(
            "wanted",
            ("Befehle an Geräte", "commands to devices"),
            (
                Column("device", ("Gerät", "device")),
                Column("wanted", ("was gewünscht war", "what was wanted")),
                Column("actor", ("von wem", "by whom")),
                Column("created_at", ("Zeitpunkt", "moment")),
            ),
            {"device": "device", "actor": "actor"},
            WITH_DEVICE,
            Anonymise(
                {"actor": GONE},
                (
                    "Der Befehl bleibt ohne Namen, bis das Gerät entfernt wird: er erklärt den Zustand des Geräts.",
                    "The command stays without the name until the device is removed: it explains its state.",
                ),
            ),
            (
                *(
                    "version",
                    "state",
                    "sent_at",
                    "sends",
                    "attempts",
                    "listening",
                    "heard",
                    "next_at",
                    "due_at",
                ),
                *("ended_at", "detail"),
            ),
        ),
        Table(
            "device",
            ("Ihre Geräte", "your devices"),
            (
                Column("id", ("Kennung", "id")),
                Column("name", ("Name", "name"), correctable=True),
                Column("detail", ("Angaben, auch zur Ansprechperson", "details, the contact among them")),
                Column("seen_at", ("zuletzt gehört", "last heard")),
            ),
            {"device": "id"},
            WITH_DEVICE,
            Anonymise(
                {"name": "''", "detail": "'{}'::jsonb"},
                (
                    "Das Gerät bleibt ohne Angaben zur Person angeschlossen, bis es entfernt wird.",
                    "The device stays connected, without what is said of a person, until it is removed.",
                ),
            ),
            (
                *("profile", "type", "entity_id", "publish", "subscribe", "enabled", "version"),
                *("created_at", "modified_at"),
            ),
            mentions=("name", "detail::text"),
        ),
    ),
)

_PASSING = Activity(
    key="transport",
    title=("Weitersagen und Aufträge", "Telling and jobs"),
    purpose=(
        "Änderungen an alle weitersagen, die sie brauchen, und Aufträge zuverlässig ausführen",
        "to tell changes to whoever needs them, and to carry out jobs reliably",
    ),
    ground="e",
    provision=PUBLIC_TASK,
    subjects=("alle, von denen ein Objekt oder ein Auftrag handelt", "whoever an entity or a job is about"),
    recipients=(OPERATORS, ("Abonnenten mit Recht darauf", "subscribers with a right to it")),
    holdings=(
        Passing(
            "outbox, NATS CHANGES",
            ("Änderungen an Objekten", "changes of entities"),
            Retention(
                (
                    "im Strom höchstens sieben Tage, in der Datenbank so viele Tage, wie outbox_retention_days sagt. "
                    "Wird jemand gelöscht, verschwindet vorher schon, was sie über dessen Objekte sagen",
                    "in the stream seven days at most, in the database the days of outbox_retention_days. Where "
                    "somebody is erased, what they say of that person's entities goes at once",
                ),
                by="broker",
            ),
        ),
        Passing(
            "NATS $MQTT_msgs, $MQTT_qos2in, $MQTT_rmsgs",
            ("Nachrichten von Geräten auf dem Weg", "messages of devices on their way"),
            Retention(
                (
                    "bis sie gelesen sind, meist Sekunden; was für spätere Abonnenten stehen bleibt, bis das Gerät es "
                    "zurücknimmt. Wird jemand gelöscht, verschwindet beides gleich",
                    "until they were read, mostly seconds; what is retained for later subscribers until the device "
                    "takes it back. Where somebody is erased, both go at once",
                ),
                by="bus",
            ),
        ),
        Passing(
            "pgqueuer",
            ("Aufträge", "jobs"),
            Retention(
                (
                    "bis sie ausgeführt sind; gescheiterte und ihr Verlauf 30 Tage",
                    "until they were done; failed ones and their course 30 days",
                ),
                by="jobs",
            ),
        ),
    ),
)

TENANT: Final = PersonalData(
    (_AUDIT, _SUBSCRIPTIONS, _MAIL, _FILES, _DEVICES, _PASSING),
    {
        # The graph: what an entity type says of people is declared with the type.
        "entity": ("id", "types", "scopes", "attributes", "created_at", "modified_at", "facts"),
        "deleted_entity": ("id", "types", "scopes", "created_at", "deleted_at"),
        "place": ("entity_id", "attribute", "dataset", "area", "geometry"),
        "series": ("id", "entity_id", "attribute", "dataset", "unit", "observed"),
        "history": ("series", "at", "arrived", "value", "instance"),
        "history_rows": ("series", "at", "arrived", "value", "instance"),
        "chunk": (
            *("series", "month", "at0", "at1", "n", "vmin", "vmax", "vsum", "tick", "offsets", "wide"),
            "values",
        ),
        "ranking": ("number", "path", "instances", "member", "members", "asked_at", "ready"),
        "ranked": ("ranking", "entity_id", "number", "text", "standing"),
        "outbox": ("id", "at", "change"),
        "position": ("reader", "change_id", "at"),
        "watch_gap": ("reader", "recorded_at", "first_change", "last_change", "told_at"),
        "delivery": ("id", "at"),
        "context": (
            *("id", "kind", "url", "document", "digest", "version", "created_at", "expires_at", "used_at"),
            *("hits", "problem"),
        ),
        "context_fetch": ("url", "until", "problem"),
        "subscription_revision": ("single", "revision"),
        "subscription_state": (
            *(
                "subscription",
                "times_sent",
                "times_failed",
                "last_notification",
                "last_success",
                "last_failure",
            ),
            *("failing", "reason", "next_attempt", "silenced_at"),
        ),
        "notification": ("subscription", "change_id", "entity_id", "newest"),
        "subscription_gap": (
            *("subscription", "recorded_at", "first_change", "last_change", "changes", "reason"),
        ),
        "device_secret": ("id", "device", "hash", "note", "created_at", "expires_at", "last_used_at"),
        "profile": ("name", "document", "modified_at"),
        "bridge": (
            *("id", "name", "client", "generation", "topics", "status", "reported_at", "connected_at"),
        ),
        "job_schedule": ("name", "cron", "told_until", "queued_at"),
        # The queue's library keeps them as it likes; see the activity `transport`.
        **dict.fromkeys(("pgqueuer", "pgqueuer_log", "pgqueuer_schedules", "pgqueuer_statistics"), ("*",)),
        # Declared as Uploads.
        "file": (
            *("id", "app", "subject", "name", "type", "size", "sha256", "width", "height", "created_at"),
            "created_by",
        ),
        "file_arriving": ("id", "at"),
        "file_leaving": ("id", "due_at"),
        "migration": ("*",),
    },
)
