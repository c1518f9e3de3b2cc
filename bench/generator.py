"""The process that makes the load: `python -m bench.generator` reads a job a line and answers with a Load a line."""

from __future__ import annotations

import gc
import sys

import msgspec
import uvloop

from .http_load import run_http
from .jobs import CloseJob, HttpJob, Job, Load, MqttJob, NatsJob, OneByOneJob, SqlJob
from .message_load import run_mqtt, run_nats, run_one_by_one
from .sql_load import Connections, run_sql


async def _serve() -> None:
    decode = msgspec.json.Decoder(Job).decode
    connections = Connections()
    gc.disable()  # a pause of the collector would look like a slow answer
    for line in sys.stdin.buffer:  # nothing else runs between two jobs
        load = await _run(decode(line), connections)
        sys.stdout.buffer.write(msgspec.json.encode(load) + b"\n")
        sys.stdout.buffer.flush()
        gc.collect()
    await connections.close()


async def _run(job: Job, connections: Connections) -> Load:
    match job:
        case HttpJob():
            return await run_http(job)
        case SqlJob():
            return await run_sql(job, connections)
        case MqttJob():
            return await run_mqtt(job)
        case OneByOneJob():
            return await run_one_by_one(job)
        case NatsJob():
            return await run_nats(job)
        case CloseJob():
            await connections.close()
            return Load()


def main() -> None:
    """Serve jobs until the end of the input."""
    uvloop.run(_serve())


if __name__ == "__main__":
    main()
