"""The process that gets certificates: it answers on port 80, and renews when it is time."""

from __future__ import annotations

import asyncio
import logging
import signal
import socket

import uvicorn

from rhinecloud.listening import BoundedProtocol
from rhinecloud.tasks import stop

from .authority import Authority
from .folder import Folder
from .handover import Handover
from .port_80 import Port80
from .renewal import Renewal


def say(text: str) -> None:
    """One line for the log, at once."""
    print(text, flush=True)


async def serve(handover: Handover) -> None:
    """Until SIGTERM; SIGHUP tries again at once what failed."""
    settings = handover.settings
    folder = Folder(settings.data)
    names = settings.acme_names
    authority = Authority(settings.acme_directory, settings.acme_email, folder)
    renewal = Renewal(folder, authority, names, say)
    asyncio.get_running_loop().add_signal_handler(signal.SIGHUP, renewal.hurry)
    config = uvicorn.Config(
        Port80(authority.tokens, names, handover.https),
        http=BoundedProtocol,
        lifespan="off",
        access_log=False,
        log_config=None,
        server_header=False,
        proxy_headers=False,
    )
    server = uvicorn.Server(config)
    serving = asyncio.create_task(server.serve([socket.socket(fileno=handover.listen_fd)]))
    renewing = asyncio.create_task(renewal.keep())
    try:
        await asyncio.wait((serving, renewing), return_when=asyncio.FIRST_COMPLETED)
    finally:
        if renewing.done():
            renewing.result()
        await stop(renewing, serving)


def main() -> None:
    """Started by the supervisor."""
    logging.basicConfig(
        level=logging.WARNING, format="%(asctime)s %(levelname)s certificates %(name)s: %(message)s"
    )
    signal.signal(
        signal.SIGINT, signal.SIG_IGN
    )  # Ctrl-C reaches the group; the supervisor stops us in its order
    asyncio.run(serve(Handover.from_env()))


if __name__ == "__main__":
    main()
