"""Content in S3-compatible object storage, by the library obstore."""

from __future__ import annotations

import io
import ssl
from collections.abc import AsyncIterator, Iterator
from contextlib import contextmanager
from datetime import timedelta
from pathlib import Path
from typing import IO, Any
from urllib.parse import parse_qs, unquote, urlsplit
from uuid import UUID

import msgspec
import obstore
from obstore import exceptions
from obstore.store import S3Store

from .storage import CHUNK, Missing, StorageUnavailable, Stored

_PATIENCE = timedelta(seconds=30)
_KNOWN = {"endpoint", "region", "ca", "style"}


class Address(msgspec.Struct, frozen=True):
    """An address of object storage, read. `place` names it for people, without secrets."""

    place: str
    bucket: str
    prefix: str | None
    config: dict[str, Any]
    client: dict[str, Any]

    @classmethod
    def read(cls, url: str, setting: str) -> Address:
        """Read `s3://KEY:SECRET@bucket/prefix?endpoint=https://host&region=…`. Raises ValueError that names `setting`.

        Key and secret are percent-encoded. `endpoint` is the server (without it AWS); `style=virtual` puts the bucket
        into the host's name instead of the path; `ca` is a file with the certificates to trust. Without key and secret
        those of the environment are taken as every S3 program does (AWS_ACCESS_KEY_ID, instance profile).
        """
        parts = urlsplit(url)
        query = {name: values[-1] for name, values in parse_qs(parts.query).items()}
        if parts.scheme != "s3" or not parts.hostname:
            raise ValueError(f"{setting} is s3://bucket/prefix?endpoint=https://…")
        if unknown := sorted(set(query) - _KNOWN):
            raise ValueError(f"{setting}: {unknown[0]} is not known; there are {', '.join(sorted(_KNOWN))}.")
        endpoint = query.get("endpoint")
        if endpoint is not None and urlsplit(endpoint).scheme not in ("http", "https"):
            raise ValueError(f"{setting}: endpoint is an address with http:// or https://")
        # The host's name keeps its case: buckets of old have capitals.
        bucket = parts.netloc.rpartition("@")[2]
        prefix = parts.path.strip("/")
        place = f"s3://{bucket}/{prefix}".rstrip("/") + (f" at {endpoint}" if endpoint else "")
        config: dict[str, Any] = {
            "region": query.get("region", "us-east-1"),
            "virtual_hosted_style_request": query.get("style") == "virtual",
        }
        if endpoint is not None:
            config["endpoint"] = endpoint.rstrip("/")
        if parts.username and parts.password:
            config["access_key_id"] = unquote(parts.username)
            config["secret_access_key"] = unquote(parts.password)
        client: dict[str, Any] = {
            "allow_http": endpoint is not None and endpoint.startswith("http:"),
            "connect_timeout": timedelta(seconds=5),
            "timeout": _PATIENCE,
        }
        if "ca" in query:
            client["root_certificate"] = _certificates(query["ca"], setting)
        return cls(place, bucket, prefix or None, config, client)

    def open(self) -> S3Store:
        """The storage; nobody is asked yet."""
        return S3Store(
            self.bucket,
            prefix=self.prefix,
            config=self.config,  # type: ignore[arg-type]
            client_options=self.client,  # type: ignore[arg-type]
            retry_config={"max_retries": 3, "retry_timeout": _PATIENCE},
        )


class Bucket:
    """A bucket, or a part of one below a prefix."""

    def __init__(self, url: str) -> None:
        """`url` as in Address.read. Raises ValueError in words."""
        address = Address.read(url, "files_url")
        self.place = address.place
        self._store = address.open()

    async def put(self, file_id: UUID, source: Path) -> None:
        with asking(file_id):
            await obstore.put_async(self._store, _name(file_id), source)

    async def read(self, file_id: UUID, start: int, end: int) -> AsyncIterator[bytes]:
        if start >= end:
            return
        with asking(file_id):
            found = await obstore.get_async(self._store, _name(file_id), options={"range": (start, end)})
            async for block in found.stream(min_chunk_size=CHUNK):
                yield bytes(block)

    async def delete(self, file_id: UUID) -> None:
        try:
            with asking(file_id):
                await obstore.delete_async(self._store, _name(file_id))
        except Missing:
            pass

    async def ask(self) -> None:
        with asking(None):
            async for _ in obstore.list(self._store, chunk_size=1):
                break

    def listing(self) -> Iterator[Stored]:
        with asking(None):
            for page in obstore.list(self._store):
                for entry in page:
                    try:
                        yield Stored(UUID(hex=entry["path"].rpartition("/")[2]), entry["size"])
                    except ValueError:
                        continue

    def open(self, file_id: UUID) -> IO[bytes]:
        with asking(file_id):
            return io.BufferedReader(_Reading(iter(obstore.get(self._store, _name(file_id)).stream())))

    def take(self, file_id: UUID, content: IO[bytes]) -> None:
        with asking(file_id):
            obstore.put(self._store, _name(file_id), iter(lambda: content.read(1024 * 1024), b""))

    def remove(self, file_id: UUID) -> None:
        try:
            with asking(file_id):
                obstore.delete(self._store, _name(file_id))
        except Missing:
            pass


class _Reading(io.RawIOBase):
    """A stream of blocks as a file."""

    def __init__(self, blocks: Iterator[Any]) -> None:
        self._blocks = blocks
        self._left = memoryview(b"")

    def readable(self) -> bool:
        return True

    def readinto(self, target: Any) -> int:
        with asking(None):
            while not self._left:
                block = next(self._blocks, None)
                if block is None:
                    return 0
                self._left = memoryview(bytes(block))
        count = min(len(target), len(self._left))
        target[:count] = self._left[:count]
        self._left = self._left[count:]
        return count


def _name(file_id: UUID) -> str:
    return f"{file_id.hex[:2]}/{file_id.hex}"


def _certificates(path: str, setting: str) -> str:
    try:
        text = Path(path).read_text()
        ssl.create_default_context(cadata=text)
    except (OSError, ValueError, ssl.SSLError) as error:
        raise ValueError(f"{setting}: the certificates in {path} cannot be read: {error}") from None
    return text


@contextmanager
def asking(file_id: UUID | None) -> Iterator[None]:
    """What the library raises, as Missing and StorageUnavailable."""
    try:
        yield
    except (exceptions.NotFoundError, FileNotFoundError) as error:
        if file_id is None:
            raise StorageUnavailable("there is no such bucket") from error
        raise Missing(str(file_id)) from None
    except (exceptions.BaseError, OSError, ValueError) as error:
        # The library's words carry the whole history of the request; the first line says what happened.
        raise StorageUnavailable(str(error).strip().splitlines()[0][:300]) from error
