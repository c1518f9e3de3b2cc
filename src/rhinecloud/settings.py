"""Every setting, typed, from the environment (RHINECLOUD_…) and from the flags of the command line.

A flag wins over the environment, the environment over the default. A worker is handed the finished settings
by its supervisor and never reads the environment itself, so that all processes agree.
"""

from __future__ import annotations

import ipaddress
import os
import re
from collections.abc import Mapping
from pathlib import Path
from typing import Annotated, Any, get_type_hints
from urllib.parse import urlsplit
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

import msgspec
from msgspec import Meta

from rhinecloud import backup_keep, bridge_address

ENVIRONMENT_PREFIX = "RHINECLOUD_"


# Where certificates lie that we get ourselves, below the data folder.
CERTIFICATES = Path("certificates")
CHAIN, KEY = CERTIFICATES / "chain.pem", CERTIFICATES / "key.pem"


class SettingsError(Exception):
    """A setting that cannot be used; the message names the setting and says what is expected."""


def default_data_folder(name: str = "rhinecloud") -> Path:
    """Where an installation keeps its data unless told: /var/lib for root, XDG's data folder for a person."""
    if os.geteuid() == 0:
        return Path("/var/lib") / name
    home = os.environ.get("XDG_DATA_HOME")
    base = Path(home) if home else Path.home() / ".local" / "share"
    return base / name


class OidcRole(msgspec.Struct, frozen=True):
    """A value of the identity provider's claim, and the role that it gives; in the oldest organisation unless named."""

    value: str
    role: str
    organisation: str | None = None


# Those of people/roles.py; a test compares.
_ROLES = ("administrator", "operator", "editor", "member")


class Settings(msgspec.Struct, frozen=True, kw_only=True):
    """What an installation can be told. The descriptions are those of the reference page and --help."""

    data: Annotated[
        Path,
        Meta(
            description="Folder with all data of the embedded engines. "
            "Default: /var/lib/rhinecloud for root, ~/.local/share/rhinecloud for others."
        ),
    ] = msgspec.field(default_factory=default_data_folder)
    host: Annotated[str, Meta(description="Address to listen on, for HTTP and for MQTT.")] = "127.0.0.1"
    port: Annotated[int, Meta(ge=0, le=65535, description="HTTP port; 0 takes any free one.")] = 8080
    public_url: Annotated[
        str | None,
        Meta(
            description="The address that people and systems use. Passkeys are bound to its host, and links in letters "
            "lead there: without one people sign in on this machine only. Default: the first name of acme_domain."
        ),
    ] = None
    proxies: Annotated[
        str,
        Meta(
            description="Addresses and networks (CIDR), separated by blanks, of proxies in front whose X-Forwarded-For "
            "is believed, to count attempts by client; with public_url this machine is one."
        ),
    ] = ""
    tls_cert: Annotated[
        Path | None, Meta(description="Certificate chain (PEM) to serve HTTPS; needs tls-key too.")
    ] = None
    tls_key: Annotated[Path | None, Meta(description="Private key (PEM) of the certificate.")] = None
    tls_client_authority: Annotated[
        Path | None,
        Meta(
            description="Certificates (PEM) of those who sign client certificates; clients may show one, and apps may "
            "ask for it. Needs a certificate of the city's own."
        ),
    ] = None
    acme_domain: Annotated[
        str,
        Meta(
            description="Names (separated by blanks) for which certificates are got and renewed by ACME, in place of "
            "tls-cert; who sets it agrees to the authority's terms."
        ),
    ] = ""
    acme_email: Annotated[
        str | None, Meta(description="Where the ACME authority writes to when something is wrong.")
    ] = None
    acme_directory: Annotated[
        str, Meta(pattern="^https://", description="Directory of the ACME authority.")
    ] = "https://acme-v02.api.letsencrypt.org/directory"
    acme_port: Annotated[
        int,
        Meta(
            ge=0,
            le=65535,
            description="Port that the authority's questions (HTTP-01) arrive at; it asks at port 80. Others are led "
            "to HTTPS.",
        ),
    ] = 80
    open: Annotated[
        bool,
        Meta(
            description="Serve without sign-in, on a loopback address only: who reaches it may do anything."
        ),
    ] = False
    workers: Annotated[int, Meta(ge=1, le=256, description="Number of worker processes.")] = 1
    watchdog_seconds: Annotated[
        int,
        Meta(
            ge=0,
            description="A worker that gave no sign of life for so long is ended and started again (seconds); "
            "0 never ends one.",
        ),
    ] = 30
    database_url: Annotated[
        str | None,
        Meta(description="The city's own PostgreSQL (16 or newer); without it the embedded one is started."),
    ] = None
    database_connections: Annotated[
        int,
        Meta(
            ge=20,
            le=10_000,
            description="Connections to PostgreSQL that all workers together may have; the embedded one takes 97.",
        ),
    ] = 95
    tenant_creation: Annotated[
        bool,
        Meta(
            description="A tenant that does not exist is made by the first operation that creates something in it; "
            "else by rhinecloud tenant add only."
        ),
    ] = False
    nats_url: Annotated[
        str | None,
        Meta(
            description="The city's own NATS (2.11 or newer, JetStream and MQTT on); else the embedded one."
        ),
    ] = None
    nats_credentials: Annotated[
        Path | None, Meta(description="Credentials file (.creds) for the city's own NATS.")
    ] = None
    nats_auth_issuer: Annotated[
        Path | None,
        Meta(
            description="File with the seed (SA…) of the key that answers for devices at the auth call-out of the "
            "city's own NATS."
        ),
    ] = None
    nats_auth_account: Annotated[
        str, Meta(description="Account of the city's own NATS that devices are put in.")
    ] = "$G"
    nats_system_url: Annotated[
        str | None,
        Meta(
            description="Address (nats://user:password@host:4222) of a user of the system account of the city's own "
            "NATS, to end the connections of devices."
        ),
    ] = None
    mqtt_url: Annotated[
        str | None,
        Meta(description="Where devices reach the city's own NATS by MQTT (mqtt://host:port), to be shown."),
    ] = None
    nats_sync_always: Annotated[
        bool,
        Meta(
            description="Embedded NATS flushes every message to the disk before it acknowledges: "
            "survives a power cut, at a third of the speed."
        ),
    ] = False
    mqtt_port: Annotated[
        int, Meta(ge=0, le=65535, description="MQTT port of the embedded NATS; 0 takes any free one.")
    ] = 1883
    mqtt_bridge: Annotated[
        str,
        Meta(
            description="The city's existing MQTT brokers to take messages from, separated by blanks: "
            "mqtts://user:password@host:8883/?topic=v3/+/devices/+/up (docs/reference/bridge.md)."
        ),
    ] = ""
    device_rate: Annotated[
        int,
        Meta(
            ge=0,
            description="Messages a second, over ten seconds, above which a device floods: "
            "it is named and slowed; 0 sets no limit.",
        ),
    ] = 50
    log_level: Annotated[
        str,
        Meta(pattern="^(debug|info|warning|error)$", description="debug, info, warning or error."),
    ] = "info"
    log_format: Annotated[
        str,
        Meta(pattern="^(text|json)$", description="text for people, json for machines: one object a line."),
    ] = "text"
    access_log: Annotated[
        bool,
        Meta(
            description="Log a line for each HTTP request: method, path, status, duration; no address, no query."
        ),
    ] = False
    context_preload: Annotated[
        Path | None,
        Meta(
            description="Folder, or JSON file with a map of URL to file, of @context documents known "
            "without asking the internet."
        ),
    ] = None
    outbound_allow: Annotated[
        str,
        Meta(
            description="Hosts, addresses and networks (CIDR), separated by commas, that may be called for "
            "notifications and @contexts although they are private or this machine; else only the internet is."
        ),
    ] = ""
    temporal_page: Annotated[
        int,
        Meta(
            ge=1,
            le=1_000_000,
            description="Attribute instances in one answer about the past; what is more is read on by time (206, "
            "Content-Range).",
        ),
    ] = 1_000
    clock_ahead_seconds: Annotated[
        int,
        Meta(
            ge=0,
            le=86_400,
            description="How far ahead of us a device's clock may be (seconds). What was observed later than that, or "
            "before 2000, is kept aside.",
        ),
    ] = 600
    unmapped_retention_days: Annotated[
        int,
        Meta(ge=1, description="Days for which messages that could not be mapped are kept (days)."),
    ] = 90
    outbox_retention_days: Annotated[
        int,
        Meta(ge=1, description="Days for which changes can be told again from the database (days)."),
    ] = 7
    files_url: Annotated[
        str | None,
        Meta(
            description="Where uploaded files lie: s3://KEY:SECRET@bucket/prefix?endpoint=https://host&region=name; "
            "without it in the data folder."
        ),
    ] = None
    files_max_mb: Annotated[
        int, Meta(ge=1, le=10_000, description="The largest file that may be uploaded (MB).")
    ] = 25
    files_removed_days: Annotated[
        float,
        Meta(
            ge=0,
            description="Days for which the content of removed files stays, so that backups find it (days).",
        ),
    ] = 7
    erasure_ledger: Annotated[
        Path | None,
        Meta(
            description="File with the ledger of erasures, best on another disk than the data; "
            "without it erasures.jsonl in the data folder."
        ),
    ] = None
    backup_every: Annotated[
        str,
        Meta(
            pattern="^(never|15m|30m|1h|2h|3h|4h|6h|8h|12h|24h)$",
            description="How often an encrypted backup is made by itself: 15m, 30m, 1h, 2h, 3h, 4h, 6h, 8h, 12h or 24h "
            "(at half past two at night), or never. Needs backup_to and backup_recipient.",
        ),
    ] = "never"
    backup_to: Annotated[
        str | None,
        Meta(
            description="Where those backups go: a folder (best of another machine), or "
            "s3://KEY:SECRET@bucket/prefix?endpoint=https://host&region=name."
        ),
    ] = None
    backup_keep: Annotated[
        str,
        Meta(
            description="Which of them stay: the newest of so many hours, days, weeks, months, years "
            "(hourly, daily, weekly, monthly, yearly)."
        ),
    ] = "7 daily 4 weekly 12 monthly"
    backup_recipient: Annotated[
        str,
        Meta(
            description="Public keys (age1…, separated by blanks) that backups are encrypted for; "
            "rhinecloud backup-key create makes a pair."
        ),
    ] = ""
    backup_files: Annotated[
        bool, Meta(description="Whether uploaded files are in the backups that are made by themselves.")
    ] = True
    mail_server: Annotated[
        str | None,
        Meta(
            description="The server that mail is handed to: smtps://user:password@host or "
            "smtp://user:password@host:587 (STARTTLS); without it mail waits."
        ),
    ] = None
    mail_from: Annotated[
        str | None,
        Meta(
            description="Who mail comes from, as in: City of Duisburg <noreply@example.org>; needed to send."
        ),
    ] = None
    contact_mail: Annotated[
        str | None,
        Meta(description="Where what people write to the operator goes, as reports of barriers."),
    ] = None
    mail_bounce_address: Annotated[
        str | None,
        Meta(
            description="Where reports about mail that was not delivered go; without it to mail_from's address."
        ),
    ] = None
    mail_bounce_mailbox: Annotated[
        str | None,
        Meta(description="The mailbox that those reports are read from: imaps://user:password@host/INBOX."),
    ] = None
    mail_give_up_hours: Annotated[
        int, Meta(ge=1, description="Hours for which a mail is tried again until it is given up (hours).")
    ] = 120
    mail_retention_days: Annotated[
        int,
        Meta(
            ge=1,
            description="Days for which it stays known to whom a mail went and what became of it (days).",
        ),
    ] = 90
    session_idle_hours: Annotated[
        int,
        Meta(
            ge=1,
            le=8_760,
            description="Hours without use after which whoever signed in is signed out (hours).",
        ),
    ] = 72
    session_days: Annotated[
        int, Meta(ge=1, le=365, description="Days after which a sign-in ends in any case (days).")
    ] = 30
    apps: Annotated[
        str | None,
        Meta(
            description="Names of the apps that are served, separated by commas; without it all that are installed."
        ),
    ] = None
    oidc_issuer: Annotated[
        str | None,
        Meta(
            description="The city's own identity provider (OpenID Connect) to sign in by: its issuer, "
            "https://login.example.org/realms/city."
        ),
    ] = None
    oidc_client_id: Annotated[str | None, Meta(description="Our name at that provider.")] = None
    oidc_client_secret: Annotated[
        str | None,
        Meta(
            description="Our secret at that provider, or the path (/…) of a file with it; none for a public client."
        ),
    ] = None
    oidc_scope: Annotated[str, Meta(description="What is asked of that provider.")] = "openid profile"
    oidc_claim: Annotated[
        str, Meta(description="The claim whose values say what somebody may: a text or a list.")
    ] = "groups"
    oidc_roles: Annotated[
        str,
        Meta(
            description="Which role a value of that claim gives, separated by semicolons: "
            "cloud-admins=administrator; transit-ops=operator@City Transit. Without @ in the oldest organisation."
        ),
    ] = ""
    city_name: Annotated[str, Meta(description="Name of the city, as its pages show it.")] = "Duisburg"
    time_zone: Annotated[
        str,
        Meta(description="Time zone in which the pages show times and timed jobs are due (IANA name)."),
    ] = "Europe/Berlin"
    map_outline: Annotated[
        Path | None,
        Meta(description="GeoJSON file with outlines of the city that the map shows beneath its points."),
    ] = None
    map_style_url: Annotated[
        str | None, Meta(description="Style (MapLibre JSON) of the city's own base map.")
    ] = None

    @property
    def oidc_mapping(self) -> tuple[OidcRole, ...]:
        """The roles of `oidc_roles`. Raises SettingsError."""
        found = []
        for part in filter(None, (one.strip() for one in self.oidc_roles.split(";"))):
            value, equals, role = part.rpartition("=")
            role, at, organisation = role.partition("@")
            if not equals or role.strip() not in _ROLES or (at and not organisation.strip()):
                raise SettingsError(
                    f"oidc_roles: {part!r:.80} is not VALUE=ROLE or VALUE=ROLE@ORGANISATION; roles are "
                    f"{', '.join(_ROLES)}."
                )
            found.append(OidcRole(value.strip(), role.strip(), organisation.strip() or None))
        return tuple(found)

    @property
    def acme_names(self) -> tuple[str, ...]:
        """The names of `acme_domain`; the first is the one to lead people to."""
        return tuple(self.acme_domain.replace(",", " ").lower().split())

    def validate(self) -> None:
        """Raise SettingsError for combinations that make no sense."""
        if (self.tls_cert is None) != (self.tls_key is None):
            raise SettingsError("tls_cert and tls_key belong together: set both, or neither.")
        if self.tls_client_authority is not None and self.tls_cert is None and not self.acme_names:
            raise SettingsError("tls_client_authority needs HTTPS: set tls_cert and tls_key, or acme_domain.")
        if self.acme_names and self.tls_cert is not None:
            raise SettingsError("acme_domain and tls_cert are two ways to a certificate: set one of them.")
        for name in self.acme_names:
            if _is_network(name) or "." not in name or not _HOST.fullmatch(name):
                raise SettingsError(f"acme_domain: {name!r} is no name that an authority certifies.")
        if self.mail_server is not None and self.mail_from is None:
            raise SettingsError("mail_server needs mail_from: who does the mail come from?")
        if self.files_url is not None and not self.files_url.startswith("s3://"):
            raise SettingsError("files_url is s3://bucket/prefix?endpoint=https://…")
        self._validate_backups()
        try:
            bridge_address.parse(self.mqtt_bridge)
        except ValueError as error:
            raise SettingsError(f"mqtt_bridge: {error}.") from None
        try:
            ZoneInfo(self.time_zone)
        except (ZoneInfoNotFoundError, ValueError, OSError):
            raise SettingsError(
                f"time_zone: {self.time_zone!r} is no time zone (Europe/Berlin is one)."
            ) from None
        for entry in self.outbound_allow.replace(",", " ").split():
            if not _is_host_or_network(entry):
                raise SettingsError(
                    f"outbound_allow: {entry!r} is no host, address or network (10.1.0.0/16)."
                )

        self._validate_oidc()
        for entry in self.proxies.split():
            try:
                ipaddress.ip_network(entry, strict=False)
            except ValueError:
                raise SettingsError(f"proxies: {entry!r} is no address or network (10.1.0.0/16).") from None

    def _validate_oidc(self) -> None:
        _ = self.oidc_mapping
        if self.oidc_issuer is None:
            return
        if self.oidc_client_id is None:
            raise SettingsError("oidc_issuer needs oidc_client_id: what are we called there?")
        parts = urlsplit(self.oidc_issuer)
        local = parts.hostname in ("localhost", "127.0.0.1", "::1")
        if (
            not (parts.scheme == "https" or (parts.scheme == "http" and local))
            or parts.query
            or parts.fragment
        ):
            raise SettingsError(f"oidc_issuer: {self.oidc_issuer!r:.100} is no https address.")
        if self.public_url is None and not self.open and not local:
            raise SettingsError("oidc_issuer needs public_url: where does the provider send people back to?")

    def _validate_backups(self) -> None:
        if self.backup_every != "never" and not (self.backup_to and self.backup_recipient):
            raise SettingsError(
                "backup_every needs backup_to (where to?) and backup_recipient (for whom? rhinecloud backup-key create "
                "makes a pair of keys)."
            )
        try:
            backup_keep.parse(self.backup_keep)
        except ValueError as error:
            raise SettingsError(f"backup_keep: {error}.") from None
        if self.backup_recipient:
            from rhinecloud.engines.sealing import recipients  # only where it is needed: it is native code

            try:
                recipients(self.backup_recipient)
            except ValueError as error:
                raise SettingsError(f"backup_recipient: {error}.") from None


def _is_host_or_network(entry: str) -> bool:
    return _is_network(entry) or _HOST.fullmatch(entry) is not None


def _is_network(entry: str) -> bool:
    try:
        ipaddress.ip_network(entry)
    except ValueError:
        return False
    return True


# Something that looks like an address and is none is a slip of the pen, not a name.
_HOST = re.compile(r"(?=.*[A-Za-z])[A-Za-z0-9_-]+(\.[A-Za-z0-9_-]+)*\.?")


def descriptions() -> dict[str, str]:
    """Documentation text of every setting, by name."""
    hints = get_type_hints(Settings, include_extras=True)
    return {name: hints[name].__metadata__[0].description for name in Settings.__struct_fields__}


def _decode(expected: type, value: Any) -> Any:
    if expected is Path:
        return Path(value).expanduser().absolute()
    raise NotImplementedError(expected)


def _encode(value: Any) -> Any:
    if isinstance(value, Path):
        return str(value)
    raise NotImplementedError(type(value))


_WORDS = {"yes": "true", "on": "true", "no": "false", "off": "false"}


def load(
    flags: Mapping[str, Any] | None = None,
    environ: Mapping[str, str] | None = None,
    defaults: Mapping[str, Any] | None = None,
) -> Settings:
    """Settings from the flags (those that are None were not given), else the environment, else `defaults`.

    Raises SettingsError that names the setting and where it came from.
    """
    environ = os.environ if environ is None else environ
    given: dict[str, Any] = dict(defaults or {})
    source: dict[str, str] = {}
    for name in Settings.__struct_fields__:
        variable = ENVIRONMENT_PREFIX + name.upper()
        if environ.get(variable):
            value = environ[variable]
            given[name], source[name] = _WORDS.get(value.lower(), value), variable
        if flags is not None and flags.get(name) is not None:
            given[name], source[name] = flags[name], "--" + name.replace("_", "-")
    for name in source:
        value = given[name]
        try:
            from_json({name: value})
        except msgspec.ValidationError as error:
            reason = str(error).split(" - at ")[0]
            raise SettingsError(f"{source[name]}={value}: {reason}") from None
    settings = from_json(given)
    if settings.public_url is None and settings.acme_names and settings.port:
        port = "" if settings.port == 443 else f":{settings.port}"
        settings = msgspec.structs.replace(settings, public_url=f"https://{settings.acme_names[0]}{port}")
    settings.validate()
    if settings.acme_names:  # from here on they are files like any others
        return msgspec.structs.replace(settings, tls_cert=settings.data / CHAIN, tls_key=settings.data / KEY)
    return settings


def to_json(settings: Settings) -> dict[str, Any]:
    """Settings as plain JSON values."""
    plain: dict[str, Any] = msgspec.to_builtins(settings, enc_hook=_encode)
    return plain


def from_json(document: Mapping[str, Any]) -> Settings:
    """Settings from plain JSON values; raises msgspec.ValidationError."""
    return msgspec.convert(dict(document), Settings, strict=False, dec_hook=_decode)
