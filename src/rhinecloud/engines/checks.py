"""What `rhinecloud check` finds out about a set-up, each finding a sentence with what to do about it."""

from __future__ import annotations

import http.client
import json
import os
import platform
import shutil
import socket
import ssl
import sys
from collections.abc import Iterator
from pathlib import Path
from urllib.parse import urlsplit

import msgspec

from rhinecloud import bridge_address
from rhinecloud.certificates import Expiry, Folder
from rhinecloud.engines import binaries
from rhinecloud.engines.access import Access, database
from rhinecloud.engines.account import EngineError, user_name
from rhinecloud.engines.certificate import Certificate
from rhinecloud.engines.folder import DataFolder, unreachable_parent
from rhinecloud.engines.nats import port_problem
from rhinecloud.engines.postgresql import data_major
from rhinecloud.settings import Settings

OLDEST_PYTHON = (3, 11)
OLDEST_POSTGRESQL = 16
OLDEST_NATS = (2, 11)
NEEDED_EXTENSIONS = ("btree_gist", "pg_trgm")
LITTLE_SPACE = 1_000_000_000  # bytes
_UNSAFE_FILESYSTEMS = {"nfs", "nfs4", "cifs", "smb3", "smbfs", "9p", "vfat", "exfat", "fuse.sshfs", "drvfs"}


class Finding(msgspec.Struct, frozen=True):
    """One sentence. `level`: "good", "note" (worth knowing) or "wrong" (has to be changed)."""

    level: str
    text: str


def good(text: str) -> Finding:
    return Finding("good", text)


def note(text: str) -> Finding:
    return Finding("note", text)


def wrong(text: str) -> Finding:
    return Finding("wrong", text)


def check(settings: Settings) -> Iterator[Finding]:
    """All findings, in the order in which one would look at them. Starts and changes nothing."""
    yield from check_machine()
    folder: DataFolder | None = None
    serving: int | None = None
    if settings.database_url is None or settings.nats_url is None:
        try:
            folder = DataFolder(settings.data)
            serving = folder.supervisor()
        except EngineError as error:
            yield wrong(str(error))
        else:
            yield from check_folder(folder, serving)
    if serving is None:
        yield from check_ports(settings)
    yield from check_certificate(settings)
    yield from check_postgresql(settings, folder, serving)
    yield from check_nats(settings, folder, serving)
    yield from check_bridges(settings)


def check_machine() -> Iterator[Finding]:
    """Python and the operating system."""
    version = platform.python_version()
    if sys.version_info < OLDEST_PYTHON:
        yield wrong(f"Python is {version}; 3.11 or newer is needed.")
    else:
        yield good(f"Python {version}")
    if sys.platform != "linux":
        yield wrong(f"The embedded engines need Linux; this is {sys.platform}.")


def check_folder(folder: DataFolder, serving: int | None) -> Iterator[Finding]:
    """Rights, space and kind of file system of the data folder."""
    path = folder.path
    existing = next(place for place in (path, *path.parents) if place.exists())
    if path.exists() and path.stat().st_uid != os.geteuid():
        yield wrong(
            f"The data folder {path} belongs to {user_name(path.stat().st_uid)}: run this as that user."
        )
    elif not os.access(existing, os.W_OK | os.X_OK):
        yield wrong(
            f"The data folder {path} cannot be written: {existing} is closed to you. Choose one by --data."
        )
    else:
        yield good(f"Data folder {path}" + ("" if path.exists() else " (will be created)"))
    if folder.account.switch:
        closed = unreachable_parent(path, folder.account)
        if closed is not None:
            yield wrong(
                f"The engines run as '{folder.account.name}', which cannot enter {closed}: choose another data "
                f"folder (--data), or: chmod o+x {closed}"
            )
        elif folder.account.name == "nobody":
            yield note(
                "The engines run as 'nobody'. A user of their own is better: useradd --system rhinecloud"
            )
    free = shutil.disk_usage(existing).free
    if free < LITTLE_SPACE:
        yield wrong(f"Only {free / 1e6:.0f} MB are free below {existing}; at least 1 GB is needed.")
    else:
        yield good(f"{free / 1e9:.0f} GB free")
    kind = filesystem(existing)
    if kind in _UNSAFE_FILESYSTEMS:
        yield wrong(
            f"{existing} is a file system of kind {kind}, on which a database is not safe: take a local disk."
        )
    elif kind in ("tmpfs", "ramfs"):
        yield note(
            f"{existing} lies in memory ({kind}): the data will be gone after a restart of the machine."
        )
    if not folder.socket_fits:
        yield note("The data folder's path is long: PostgreSQL listens on the loopback instead of a socket.")
    if serving is not None:
        yield good(f"Served now by process {serving}")


def filesystem(path: Path) -> str:
    """Kind of the file system that holds `path`, for example ext4."""
    best, kind = "", "unknown"
    for line in Path("/proc/mounts").read_text().splitlines():
        _, place, found = line.split()[:3]
        place = place.replace("\\040", " ")
        if path.is_relative_to(place) and len(place) >= len(best):
            best, kind = place, found
    return kind


def check_ports(settings: Settings) -> Iterator[Finding]:
    """Whether the ports are to be had; asked only when the installation is not being served."""
    ports = {"HTTP": (settings.port, "--port")}
    if settings.acme_names:
        ports["ACME"] = (settings.acme_port, "--acme-port")
    if settings.nats_url is None:
        ports["MQTT"] = (settings.mqtt_port, "--mqtt-port")
    for name, (port, flag) in ports.items():
        problem = port_problem(settings.host, port)
        if problem is None:
            yield good(f"{name} port {port or '(any)'} is free")
        else:
            yield wrong(
                f"{name} cannot listen on {settings.host}:{port}: {problem}. Choose another by {flag}."
            )


def check_certificate(settings: Settings) -> Iterator[Finding]:
    """Whether there is one, whether it can be used, and for how long."""
    chain, key = settings.tls_cert, settings.tls_key
    if settings.acme_names:
        folder = Folder(settings.data)
        if folder.state.problem is not None:
            yield wrong(f"No certificate was issued. {folder.state.problem}")
        if not folder.chain.exists():
            yield note(
                f"A certificate for {settings.acme_domain} will be asked for at {settings.acme_directory}."
            )
            return
    if chain is None or key is None:
        return
    try:
        Certificate(chain, key).contents()
        expiry = Expiry.of_file(chain)
    except (EngineError, OSError, ValueError) as error:
        yield wrong(str(error))
        return
    level = {"good": good, "soon": note}.get(expiry.urgency(), wrong)
    yield level(expiry.sentence())
    if settings.tls_client_authority is not None:
        try:
            ssl.create_default_context(cafile=settings.tls_client_authority)
        except (OSError, ssl.SSLError) as error:
            yield wrong(f"{settings.tls_client_authority} has no certificates: {error}")


def check_postgresql(settings: Settings, folder: DataFolder | None, serving: int | None) -> Iterator[Finding]:
    """Version of programs and data; when it runs, what it says about itself."""
    if settings.database_url is None:
        try:
            version = binaries.wheel_postgresql_version()
        except EngineError as error:
            yield wrong(str(error))
            return
        if folder is None:
            return
        found = data_major(folder.upgraded if folder.upgraded.exists() else folder.postgresql)
        wheel = int(version.split(".")[0])
        if found is not None and found < wheel:
            kept = binaries.kept_postgresql(folder.programs, found) is not None
            old = "" if kept else f" --old-programs /usr/lib/postgresql/{found}/bin"
            yield wrong(
                f"The data are of PostgreSQL {found}, the installed one is {wheel}. Stop Rhine Cloud and call: "
                f"rhinecloud upgrade --data {folder.path}{old}"
            )
        elif found is not None and found > wheel:
            yield wrong(
                f"The data are of PostgreSQL {found}, but {wheel} is installed: install {found} again."
            )
        else:
            yield good(f"PostgreSQL {version} (embedded)")
        if serving is None:
            return
    try:
        with database(settings, print) as access:
            yield from examine_database(access)
    except EngineError as error:
        yield wrong(f"PostgreSQL cannot be reached. {error}")


def examine_database(access: Access) -> Iterator[Finding]:
    """Version, collation, rights and extensions of a running database."""
    version, number, encoding, provider, locale, may_create = access.sql(
        "SELECT current_setting('server_version'), current_setting('server_version_num')::int / 10000, "
        "pg_encoding_to_char(encoding), datlocprovider, "
        "coalesce(to_jsonb(d) ->> 'datlocale', to_jsonb(d) ->> 'daticulocale', datcollate), "
        "has_database_privilege(current_database(), 'CREATE') "
        "FROM pg_database d WHERE datname = current_database()"
    ).split("|")
    if int(number) < OLDEST_POSTGRESQL:
        yield wrong(f"PostgreSQL is {version}; {OLDEST_POSTGRESQL} or newer is needed.")
    else:
        yield good(f"PostgreSQL {version} answers")
    if encoding != "UTF8":
        yield wrong(f"The database's encoding is {encoding}; it must be UTF8.")
    if provider == "b" or locale in ("C", "POSIX"):
        yield good(f"Fixed collation ({locale})")
    else:
        yield note(
            f"The database sorts by the operating system's rules ({locale}), which change with its upgrades: "
            "REINDEX afterwards, or create the database with the builtin locale C.UTF-8."
        )
    if may_create != "t":
        yield wrong("The role may not create schemas: GRANT CREATE ON DATABASE … TO the role of the address.")
    names = ", ".join(f"'{name}'" for name in NEEDED_EXTENSIONS)
    there = access.sql(f"SELECT name FROM pg_available_extensions WHERE name IN ({names})").splitlines()
    for name in sorted({*NEEDED_EXTENSIONS} - {*there}):
        yield wrong(f"The extension {name} is not available: install PostgreSQL's contrib package.")


def check_nats(settings: Settings, folder: DataFolder | None, serving: int | None) -> Iterator[Finding]:
    """Version, JetStream and MQTT."""
    if settings.nats_url is not None:
        yield from examine_external_nats(settings.nats_url)
        return
    try:
        yield good(f"NATS {binaries.wheel_nats_version()} (embedded)")
    except EngineError as error:
        yield wrong(str(error))
        return
    if serving is None or folder is None:
        return
    try:
        configuration = json.loads((folder.nats / "nats.conf").read_text())
        connection = http.client.HTTPConnection(configuration["http"], timeout=3)
        connection.request("GET", "/varz")
        state = json.loads(connection.getresponse().read())
        connection.close()
    except (OSError, ValueError, KeyError) as error:
        yield wrong(f"NATS does not answer: {error}. Its log: {folder.logs / 'nats.log'}")
        return
    streams = bool(state.get("jetstream", {}).get("config"))
    yield good("JetStream is on") if streams else wrong("JetStream is off.")
    port = state.get("mqtt", {}).get("port")
    yield good(f"MQTT listens on port {port}") if port else wrong("MQTT is off.")


def examine_external_nats(url: str) -> Iterator[Finding]:
    """What a city's own NATS tells everyone who connects, before any sign-in."""
    address = urlsplit(url if "://" in url else f"nats://{url}")
    host, port = address.hostname or "127.0.0.1", address.port or 4222
    try:
        with socket.create_connection((host, port), timeout=5) as connection:
            greeting = connection.makefile("rb").readline()
        told = json.loads(greeting.removeprefix(b"INFO "))
    except (OSError, ValueError) as error:
        yield wrong(f"NATS cannot be reached at {host}:{port}: {error}")
        return
    version = str(told.get("version", "0.0"))
    if tuple(int(part) for part in version.split(".")[:2]) < OLDEST_NATS:
        yield wrong(f"NATS is {version}; 2.11 or newer is needed.")
    else:
        yield good(f"NATS {version} answers")
    if told.get("jetstream"):
        yield good("JetStream is on")
    else:
        yield wrong("JetStream is off: add  jetstream { store_dir: … }  to the server's configuration.")


def check_bridges(settings: Settings) -> Iterator[Finding]:
    """Whether the city's existing MQTT brokers are to be reached; nobody signs in."""
    for address in bridge_address.parse(settings.mqtt_bridge):
        try:
            with socket.create_connection((address.host, address.port), timeout=5) as connection:
                if address.tls:
                    context = ssl.create_default_context(cafile=str(address.ca) if address.ca else None)
                    context.wrap_socket(connection, server_hostname=address.host).close()
        except OSError as error:  # what TLS does not like is one as well
            yield wrong(f"The MQTT broker {address.shown} (mqtt_bridge) cannot be used: {error}")
        else:
            yield good(f"The MQTT broker {address.shown} (mqtt_bridge) answers")
