"""The process that makes the load: `python -m bench.generator` reads a job a line and answers with a Load a line."""

from __future__ import annotations

import gc
import resource
import sys

import msgspec
import uvloop

from .connect_load import run_connect
from .flood_load import run_core, run_flood
from .http_load import run_http
from .jobs import (
    BrowserJob,
    CloseJob,
    ConnectJob,
    CoreJob,
    FloodJob,
    GatherJob,
    HttpJob,
    Job,
    Load,
    MqttJob,
    NatsJob,
    OneByOneJob,
    RawBrowserJob,
    RawGatherJob,
    RawWebhookJob,
    ScatterJob,
    SqlJob,
    StirJob,
    WebhookJob,
)
from .message_load import run_mqtt, run_nats, run_one_by_one
from .sql_load import Connections, run_sql
from .telling_load import run_browser, run_raw_browser, run_raw_webhook, run_webhook
from .viewer_load import Crowds


async def _serve() -> None:
    decode = msgspec.json.Decoder(Job).decode
    connections, crowds = Connections(), Crowds()
    _, most = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (most, most))  # thousands of viewers
    gc.disable()  # a pause of the collector would look like a slow answer
    for line in sys.stdin.buffer:  # nothing else runs between two jobs
        load = await _run(decode(line), connections, crowds)
        sys.stdout.buffer.write(msgspec.json.encode(load) + b"\n")
        sys.stdout.buffer.flush()
        gc.collect()
    await connections.close()


async def _run(job: Job, connections: Connections, crowds: Crowds) -> Load:
    if not isinstance(job, SqlJob | HttpJob):  # whose raw limits take turns with them
        await connections.close()  # PostgreSQL has not enough for what follows beside these
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
        case FloodJob():
            return await run_flood(job)
        case CoreJob():
            return await run_core(job)
        case WebhookJob():
            return await run_webhook(job)
        case RawWebhookJob():
            return await run_raw_webhook(job)
        case BrowserJob():
            return await run_browser(job)
        case RawBrowserJob():
            return await run_raw_browser(job)
        case GatherJob():
            return await crowds.gather(job)
        case RawGatherJob():
            return await crowds.raw_gather(job)
        case StirJob():
            return await crowds.stir(job)
        case ConnectJob():
            return await run_connect(job)
        case ScatterJob():
            return crowds.scatter()
        case CloseJob():
            return Load()


def main() -> None:
    """Serve jobs until the end of the input."""
    uvloop.run(_serve())


if __name__ == "__main__":
    main()
