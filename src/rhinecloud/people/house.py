"""What the house's own rooms keep of people, and which of their columns tell nothing of anybody.

The rooms below this one cannot declare by themselves (they do not know people), so their declarations stand here.
What an entity says of a person is declared by its type, by whoever brings the type (`register.Entities`).
"""

from __future__ import annotations

from typing import Final

from .register import (
    Activity,
    Anonymise,
    Column,
    Delete,
    Keep,
    Passing,
    PersonalData,
    Register,
    Retention,
    Table,
    Text,
    Uploads,
)

_PUBLIC_TASK: Final = "Art. 6 Abs. 1 Buchst. e DSGVO, § 3 Abs. 1 DSG NRW"
_SECURITY: Final = "Art. 6 Abs. 1 Buchst. c DSGVO mit Art. 5 Abs. 2, Art. 32 DSGVO"
_OPERATORS: Final[Text] = ("die mit dem Betrieb betrauten Beschäftigten", "staff who run the installation")
_GONE: Final = "'person:0'"  # nobody: accounts are numbered from 1
_WITH_ACCOUNT = Retention(("bis das Konto gelöscht wird", "until the account is deleted"), by="people")
_WITH_DEVICE = Retention(("bis das Gerät entfernt wird", "until the device is removed"), by="gateways")

# The graph, devices, jobs, mail and files: the tenant's schema ------------------------------------------------------

_AUDIT = Activity(
    key="audit",
    title=("Protokoll der Verwaltung", "Audit log"),
    purpose=(
        "nachweisen, wer wann was an der Anlage geändert hat, und Missbrauch aufklären",
        "to prove who changed what in the installation and when, and to clear up misuse",
    ),
    ground="c",
    provision=_SECURITY,
    subjects=("Menschen mit Konto, Beschäftigte", "people with an account, staff"),
    recipients=(_OPERATORS,),
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
                {"actor": _GONE, "subject": f"CASE WHEN subject = actor THEN {_GONE} ELSE subject END"},
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

_MAIL = Activity(
    key="mail",
    title=("Post", "Mail"),
    purpose=(
        "Menschen schreiben, die es wollten oder wissen müssen, und wissen, ob es ankam",
        "to write to people who asked for it or have to know, and to know whether it arrived",
    ),
    ground="e",
    provision=_PUBLIC_TASK,
    subjects=("Empfängerinnen und Empfänger", "recipients"),
    recipients=(_OPERATORS, ("der Mailserver der Stadt", "the city's mail server")),
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
    provision=_PUBLIC_TASK,
    subjects=("Menschen, die etwas hochladen", "people who upload something"),
    recipients=(_OPERATORS,),
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
    provision=_PUBLIC_TASK,
    subjects=(
        "Ansprechpersonen und Eigentümer von Geräten, Beschäftigte",
        "contacts and owners of devices, staff",
    ),
    recipients=(_OPERATORS,),
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
            _WITH_DEVICE,
            Anonymise(
                {"actor": _GONE},
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
            _WITH_DEVICE,
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
    provision=_PUBLIC_TASK,
    subjects=("alle, von denen ein Objekt oder ein Auftrag handelt", "whoever an entity or a job is about"),
    recipients=(_OPERATORS, ("Abonnenten mit Recht darauf", "subscribers with a right to it")),
    holdings=(
        Passing(
            "outbox, NATS CHANGES",
            ("Änderungen an Objekten", "changes of entities"),
            Retention(
                (
                    "im Strom höchstens einen Tag, in der Datenbank so viele Tage, wie outbox_retention_days sagt; "
                    "dann vergessen sie sich selbst. Gelöscht wird nicht einzeln, weil die Reihenfolge lückenlos sein muss",
                    "in the stream a day at most, in the database the days of outbox_retention_days; then they forget "
                    "themselves. None is deleted by itself, for their order must have no gap",
                ),
                by="broker",
            ),
        ),
        Passing(
            "NATS $MQTT_msgs",
            ("Nachrichten von Geräten auf dem Weg", "messages of devices on their way"),
            Retention(
                ("bis sie gelesen sind, meist Sekunden", "until they were read, mostly seconds"), by="bus"
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
    (_AUDIT, _MAIL, _FILES, _DEVICES, _PASSING),
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
        "delivery": ("id", "at"),
        "context": (
            *("id", "kind", "url", "document", "digest", "version", "created_at", "expires_at", "used_at"),
            *("hits", "problem"),
        ),
        "context_fetch": ("url", "until", "problem"),
        "subscription": (
            "number",
            "id",
            "document",
            "context",
            "since",
            "revision",
            "created_at",
            "modified_at",
        ),
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
            *("failing", "reason", "next_attempt"),
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
        "migration": ("name", "applied_at"),
    },
)

# People: the room's own schema --------------------------------------------------------------------------------------

_ACCOUNTS = Activity(
    key="accounts",
    title=("Konten und Anmeldung", "Accounts and sign-in"),
    purpose=(
        "Menschen anmelden und ihnen geben, was ihnen zusteht, und niemandem sonst",
        "to sign people in, and to give them, and nobody else, what is theirs",
    ),
    ground="e",
    provision=_PUBLIC_TASK,
    subjects=("Menschen mit Konto, Eingeladene", "people with an account, invited people"),
    recipients=(("Administration der Anlage", "administrators of the installation"),),
    measures=(
        (
            "Es gibt keine Passwörter; Geheimnisse stehen nur als Prüfsumme da.",
            "There are no passwords; secrets are kept as hashes only.",
        ),
    ),
    holdings=(
        Table(
            "session",
            ("Ihre Anmeldungen", "your sessions"),
            (
                Column("account", ("Konto", "account"), shown=False),
                Column("hash", ("Prüfsumme des Cookies", "hash of the cookie"), shown=False),
                Column("device", ("Browser und System", "browser and system")),
                Column("created_at", ("angemeldet", "signed in")),
                Column("seen_at", ("zuletzt benutzt", "last used")),
                Column("expires_at", ("endet", "ends")),
            ),
            {"account": "account"},
            Retention(("bis sie enden", "until they end"), "expires_at", 0),
            Delete(),
            ("id",),
        ),
        Table(
            "passkey",
            ("Ihre Passkeys", "your passkeys"),
            (
                Column("account", ("Konto", "account"), shown=False),
                Column("credential", ("Kennung des Schlüssels", "the key's id"), shown=False),
                Column("public_key", ("öffentlicher Schlüssel", "public key"), shown=False),
                Column("name", ("Name", "name"), correctable=True),
                Column("created_at", ("angelegt", "made")),
                Column("used_at", ("zuletzt benutzt", "last used")),
            ),
            {"account": "account"},
            _WITH_ACCOUNT,
            Delete(),
            ("id", "sign_count", "transports", "backed_up"),
        ),
        Table(
            "membership",
            ("Ihre Rollen in Organisationen", "your roles in organisations"),
            (
                Column("account", ("Konto", "account"), shown=False),
                Column("organisation", ("Organisation", "organisation")),
                Column("role", ("Rolle", "role")),
                Column("since", ("seit", "since")),
            ),
            {"account": "account"},
            _WITH_ACCOUNT,
        ),
        Table(
            "link",
            ("Einladungen und Links an Sie", "invitations and links to you"),
            (
                Column("account", ("Konto", "account"), shown=False),
                Column("hash", ("Prüfsumme des Links", "hash of the link"), shown=False),
                Column("purpose", ("wofür", "what for")),
                Column("mail", ("Adresse", "address")),
                Column("made_by", ("von wem", "by whom"), shown=False),
                Column("created_at", ("geschrieben", "written")),
                Column("expires_at", ("gilt bis", "valid until")),
            ),
            {"account": "account", "mail": "lower(mail)", "actor": "made_by"},
            Retention(("bis sie nicht mehr gelten", "until they are no longer valid"), "expires_at", 0),
            Delete(),
            ("id", "organisation", "role"),
        ),
        Table(
            "account",
            ("Ihr Konto", "your account"),
            (
                Column("id", ("Nummer", "number")),
                Column("handle", ("Kennung für Passkeys", "id for passkeys"), shown=False),
                Column("name", ("Name", "name"), correctable=True),
                Column("mail", ("E-Mail-Adresse", "mail address")),
                Column("language", ("Sprache", "language")),
                Column("created_at", ("angelegt", "made")),
                Column("blocked_at", ("gesperrt", "blocked")),
            ),
            {"account": "id", "mail": "lower(mail)"},
            _WITH_ACCOUNT,
        ),
    ),
)

_RIGHTS = Activity(
    key="rights",
    title=("Anfragen zu eigenen Daten", "Requests for one's own data"),
    purpose=(
        "Auskunft, Berichtigung und Löschung ausführen und das nachweisen",
        "to carry out access, correction and erasure, and to prove it",
    ),
    ground="c",
    provision="Art. 6 Abs. 1 Buchst. c mit Art. 12, 15 bis 20 und Art. 5 Abs. 2 DSGVO",
    subjects=("Menschen, die ihre Rechte wahrnehmen", "people who exercise their rights"),
    recipients=(("die mit Datenschutz betrauten Beschäftigten", "staff in charge of data protection"),),
    holdings=(
        Table(
            "data_request",
            ("Ihre Anfragen", "your requests"),
            (
                Column("kind", ("was", "what")),
                Column("opened_at", ("gestellt", "made")),
                Column("opened_by", ("von wem bearbeitet", "handled by"), shown=False),
                Column("account", ("Konto", "account")),
                Column("mails", ("Adressen", "addresses")),
                Column("devices", ("Geräte", "devices")),
                Column("identity", ("wie geprüft wurde, wer fragt", "how it was made sure who asks")),
                Column("closed_at", ("erledigt", "done")),
            ),
            {"account": "account"},
            Retention(
                (
                    "wer fragte, bis zur Antwort; dass gefragt wurde, drei Jahre (Nachweis)",
                    "who asked until the answer; that it was asked three years (proof)",
                ),
                "closed_at",
                3 * 365,
            ),
            Anonymise(
                {
                    "account": "NULL",
                    "mails": "'{}'",
                    "devices": "'{}'",
                    "identity": "''",
                    "opened_by": _GONE,
                    "closed_at": "coalesce(closed_at, now())",
                },
                (
                    "Dass und wann gelöscht wurde, bleibt ohne Namen (Art. 5 Abs. 2 DSGVO).",
                    "That and when data were erased stays without a name (Art. 5(2) GDPR).",
                ),
            ),
            ("id", "counts"),
        ),
        Table(
            "erasure",
            ("Verzeichnis der Löschungen", "the ledger of erasures"),
            (
                Column(
                    "traces", ("verschlüsselte Prüfsummen der Kennungen", "keyed hashes of the identifiers")
                ),
                Column("at", ("Zeitpunkt", "moment")),
            ),
            {},
            Retention(
                (
                    "so lange es Sicherungen gibt, die älter sind als die Löschung; höchstens drei Jahre",
                    "as long as there are backups older than the erasure; three years at most",
                ),
                "at",
                3 * 365,
            ),
            Keep(
                (
                    "Ohne dieses Verzeichnis kämen Ihre Daten aus einer älteren Sicherung zurück.",
                    "Without this ledger your data would come back from an older backup.",
                )
            ),
            ("id", "done_at", "counts"),
        ),
    ),
)

_LEGAL = Activity(
    key="feedback",
    title=("Barrieren melden, rechtliche Seiten", "Reports of barriers, legal pages"),
    purpose=(
        "Meldungen über Barrieren beantworten; nachweisen, welcher Text wann galt",
        "to answer reports of barriers; to prove which text was valid when",
    ),
    ground="c",
    provision="Art. 6 Abs. 1 Buchst. c DSGVO mit § 10b BGG NRW",
    subjects=("Menschen, die eine Barriere melden; Redaktion", "people who report a barrier; editors"),
    recipients=(("die für Barrierefreiheit zuständige Stelle", "the office in charge of accessibility"),),
    holdings=(
        Table(
            "feedback",
            ("Ihre Meldungen", "your reports"),
            (
                Column("at", ("Zeitpunkt", "moment")),
                Column("about", ("welche Seite", "which page")),
                Column("message", ("Meldung", "report"), correctable=True),
                Column("mail", ("Adresse für die Antwort", "address for the answer")),
                Column("answered_by", ("beantwortet von", "answered by"), shown=False),
            ),
            {"mail": "lower(mail)", "actor": "answered_by"},
            Retention(("ein Jahr", "a year"), "at", 365),
            Delete(),
            ("id", "language", "answered_at"),
            mentions=("message",),
        ),
        Table(
            "legal_text",
            ("Texte, die Sie geschrieben haben", "texts that you wrote"),
            (
                Column("at", ("Zeitpunkt", "moment")),
                Column("page", ("Seite", "page")),
                Column("actor", ("von wem", "by whom")),
            ),
            {"actor": "actor"},
            Retention(("auf Dauer: die Texte sind amtlich", "for good: the texts are official"), by="people"),
            Anonymise(
                {"actor": _GONE},
                (
                    "Der Text bleibt ohne Namen: welcher galt, muss nachweisbar sein.",
                    "The text stays without the name: which one was valid must be provable.",
                ),
            ),
            ("id", "language", "body"),
        ),
    ),
)

PEOPLE: Final = PersonalData(
    (_ACCOUNTS, _RIGHTS, _LEGAL),
    {
        # A registration that is under way: a random handle, for minutes.
        "challenge": ("hash", "purpose", "handle", "expires_at"),
        "organisation": ("id", "name", "created_at"),
        "erasure_key": ("single", "key"),
        "data_copy": ("request", "hash", "file", "expires_at"),
        "migration": ("name", "applied_at"),
    },
)


def house() -> Register:
    """The register with the house's own rooms in it; apps are added to it."""
    register = Register()
    register.add("people", "room_people", PEOPLE)
    register.add("house", "tenant", TENANT)
    return register
