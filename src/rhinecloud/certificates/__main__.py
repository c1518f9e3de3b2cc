"""The process that gets certificates: it answers on port 80, and renews when it is time."""

from __future__ import annotations

import asyncio
import signal
import socket

import uvicorn

from rhinecloud.listening import BoundedProtocol
from rhinecloud.observing.lines import Lines, set_up
from rhinecloud.tasks import stop

from .authority import Authority
from .folder import Folder
from .handover import Handover
from .port_80 import Port80
from .renewal import Renewal


async def serve(handover: Handover) -> None:
    """Until SIGTERM; SIGHUP tries again at once what failed."""
    settings = handover.settings
    folder = Folder(settings.data)
    names = settings.acme_names
    authority = Authority(settings.acme_directory, settings.acme_email, folder)
    say = Lines(settings.log_format, "certificates")
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
    handover = Handover.from_env()
    set_up("certificates", "warning", handover.settings.log_format)
    signal.signal(
        signal.SIGINT, signal.SIG_IGN
    )  # Ctrl-C reaches the group; the supervisor stops us in its order
    asyncio.run(serve(handover))


if __name__ == "__main__":
    main()
