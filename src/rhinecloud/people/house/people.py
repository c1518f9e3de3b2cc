"""What the room of people keeps."""

from __future__ import annotations

from typing import Final

from ..register import Activity, Anonymise, Column, Delete, Keep, PersonalData, Retention, Table
from .common import GONE, PUBLIC_TASK, WITH_ACCOUNT

_ACCOUNTS = Activity(
    key="accounts",
    title=("Konten und Anmeldung", "Accounts and sign-in"),
    purpose=(
        "Menschen anmelden und ihnen geben, was ihnen zusteht, und niemandem sonst",
        "to sign people in, and to give them, and nobody else, what is theirs",
    ),
    ground="e",
    provision=PUBLIC_TASK,
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
            WITH_ACCOUNT,
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
            WITH_ACCOUNT,
        ),
        Table(
            "token",
            ("Ihre Zugriffstoken", "your API tokens"),
            (
                Column("account", ("Konto", "account"), shown=False),
                Column("hash", ("Prüfsumme des Tokens", "hash of the token"), shown=False),
                Column("name", ("Name", "name")),
                Column("permissions", ("Berechtigungen", "permissions")),
                Column("created_at", ("angelegt", "made")),
                Column("expires_at", ("gilt bis", "valid until")),
                Column("used_on", ("zuletzt benutzt am", "last used on")),
            ),
            {"account": "account"},
            Retention(("bis sie enden", "until they end"), "expires_at", 0),
            Delete(),
            ("id", "organisation", "types", "scopes", "attributes"),
        ),
        Table(
            "oidc_identity",
            ("Ihr Konto bei der Anmeldung der Stadt", "your account at the city's sign-in"),
            (
                Column("account", ("Konto", "account"), shown=False),
                Column("issuer", ("Anmeldung", "identity provider")),
                Column("subject", ("Kennung dort", "id there")),
            ),
            {"account": "account"},
            WITH_ACCOUNT,
        ),
        Table(
            "oidc_role",
            ("Rollen, die die Anmeldung der Stadt gibt", "roles that the city's sign-in gives"),
            (
                Column("account", ("Konto", "account"), shown=False),
                Column("organisation", ("Organisation", "organisation")),
                Column("role", ("Rolle", "role")),
            ),
            {"account": "account"},
            WITH_ACCOUNT,
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
            WITH_ACCOUNT,
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
    provision="Art. 6 Abs. 1 Buchst. c mit Art. 12, 15 bis 21 und Art. 5 Abs. 2 DSGVO",
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
                Column("words", ("was Sie dazu schrieben", "what you wrote about it")),
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
                    "words": "''",
                    "opened_by": GONE,
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
                {"actor": GONE},
                (
                    "Der Text bleibt ohne Namen: welcher galt, muss nachweisbar sein.",
                    "The text stays without the name: which one was valid must be provable.",
                ),
            ),
            ("id", "language", "body"),
        ),
        Table(
            "publication",
            ("Daten, die Sie veröffentlicht haben", "data that you published"),
            (
                Column("since", ("seit", "since")),
                Column("until", ("bis", "until")),
                Column("audience", ("für wen", "for whom")),
                Column("types", ("Arten", "types")),
                Column("made_by", ("von wem", "by whom"), shown=False),
                Column("withdrawn_by", ("zurückgezogen von", "withdrawn by"), shown=False),
            ),
            {"actor": "made_by"},
            Retention(("auf Dauer: was öffentlich war", "for good: what was public"), by="people"),
            Anonymise(
                {
                    "made_by": GONE,
                    "withdrawn_by": f"CASE WHEN withdrawn_by = made_by THEN {GONE} ELSE withdrawn_by END",
                },
                (
                    "Die Veröffentlichung bleibt ohne Namen: was öffentlich war, muss nachweisbar sein.",
                    "The publication stays without the name: what was public must be provable.",
                ),
            ),
            ("id", "scopes", "attributes"),
        ),
    ),
)

PEOPLE: Final = PersonalData(
    (_ACCOUNTS, _RIGHTS, _LEGAL),
    {
        # A registration that is under way: a random handle, for minutes.
        "oidc_request": ("hash", "nonce", "verifier", "back", "expires_at"),
        "oidc_session": ("session", "id_token"),
        "challenge": ("hash", "purpose", "handle", "expires_at"),
        "organisation": ("id", "name", "created_at"),
        "erasure_key": ("single", "key"),
        "data_copy": ("request", "hash", "file", "expires_at"),
        "migration": ("*",),
    },
)
