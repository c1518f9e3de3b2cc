"""The process that gets certificates, as a child of the supervisor."""

from __future__ import annotations

import os
import signal
import socket
import subprocess
import sys

from rhinecloud.certificates.handover import Handover
from rhinecloud.engines.account import spawn
from rhinecloud.engines.child import Child, Say
from rhinecloud.settings import Settings


class Renewing(Child):
    """One `python -m rhinecloud.certificates`; the city is served whether it runs or not."""

    name = "The process for certificates"

    def __init__(self, settings: Settings, listener: socket.socket, https: str, say: Say) -> None:
        super().__init__(say)
        self._handover = Handover(settings, listener.fileno(), https)
        self._ever_ready = True  # one that fails is told and tried again

    def launch(self) -> subprocess.Popen[bytes]:
        return spawn(
            [sys.executable, "-m", "rhinecloud.certificates"],
            at_parents_end=signal.SIGKILL,
            environ={**os.environ, **self._handover.to_env()},
            pass_fds=(self._handover.listen_fd,),
        )

    def answers(self) -> bool:
        return True

    def _became_ready(self, now: float) -> None:
        self.is_ready = True
