"""Thousands of devices that come back at the same time, over MQTT 3.1.1, each with a name and a secret or with none."""

from __future__ import annotations

import asyncio
import random
import time
from typing import cast

from .jobs import ConnectJob, Load
from .message_load import length

_PATIENCE = 120.0  # seconds until all must be in
_PAUSE = (0.5, 1.5)  # seconds before a device that was refused tries again
_SPREAD = 128  # connections that are opened at once: a listening socket's queue is short


class _Device(asyncio.Protocol):
    """One attempt: True when it was let in, False when it was refused or cut off before."""

    def __init__(self, packet: bytes) -> None:
        self._packet = packet
        self.answered: asyncio.Future[bool] = asyncio.get_running_loop().create_future()

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self.transport = cast(asyncio.Transport, transport)
        self.transport.write(self._packet)

    def data_received(self, data: bytes) -> None:
        if not self.answered.done():
            self.answered.set_result(data[:1] == b"\x20" and data[3:4] == b"\x00")

    def connection_lost(self, error: Exception | None) -> None:
        if not self.answered.done():
            self.answered.set_result(False)


async def run_connect(job: ConnectJob) -> Load:
    """All at once; who is refused tries again. `done`: those that are in; p50 and p99 from the first attempt on.

    They leave when all have come.
    """
    draw = random.Random(job.seed)
    latencies: list[float] = []
    opened: list[_Device] = []
    opening = asyncio.Semaphore(_SPREAD)
    again = 0

    async def come(number: int) -> None:
        nonlocal again
        packet = _connect(device_name(number), device_secret(number) if job.named else None)
        begun = time.perf_counter()
        while True:
            try:
                async with opening:
                    _, device = await asyncio.get_running_loop().create_connection(
                        lambda: _Device(packet), "127.0.0.1", job.port
                    )
                opened.append(device)
                if await device.answered:
                    latencies.append(time.perf_counter() - begun)
                    return
                device.transport.close()
            except OSError:
                pass
            again += 1
            await asyncio.sleep(draw.uniform(*_PAUSE))

    cpu, begun, clock = time.process_time(), time.time(), time.perf_counter()
    tasks = [asyncio.create_task(come(number)) for number in range(job.devices)]
    _, late = await asyncio.wait(tasks, timeout=_PATIENCE)
    seconds = time.perf_counter() - clock
    for task in late:
        task.cancel()
    await asyncio.gather(*tasks, return_exceptions=True)
    used = time.process_time() - cpu
    for device in opened:
        device.transport.close()
    await asyncio.sleep(0.5)
    latencies.sort()
    return Load(
        done=len(latencies),
        errors=job.devices - len(latencies),
        seconds=seconds,
        p50=latencies[len(latencies) // 2] if latencies else 0.0,
        p99=latencies[int(len(latencies) * 0.99)] if latencies else 0.0,
        begun=begun,
        ended=begun + seconds,
        generator_cpu=used,
        complaint=f"{len(late)} devices were not let in" if late else "",
        extra={"attempts_again": float(again)},
    )


def device_name(number: int) -> str:
    """The id of a device, which is its client identifier too."""
    return f"bench-{number:05d}"


def device_secret(number: int) -> str:
    """Not a secret, but as long as one."""
    return f"{number:032d}"


def _connect(name: str, secret: str | None) -> bytes:
    """A CONNECT packet, clean session, keep-alive of a minute."""
    fields = [name] if secret is None else [name, name, secret]
    flags = 0x02 if secret is None else 0xC2
    body = b"\x00\x04MQTT\x04" + bytes([flags]) + b"\x00\x3c"
    body += b"".join(len(field).to_bytes(2, "big") + field.encode() for field in fields)
    return b"\x10" + length(len(body)) + body
