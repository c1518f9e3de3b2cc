"""The engines below Rhine Cloud: PostgreSQL and NATS, embedded and supervised, or the city's own.

Offers `Engines` (start, watch, stop), `WorkerHandover` and `NatsCredentials` (what a worker is given) and
`EngineError`, whose message is meant for the person at the terminal.
"""

from rhinecloud.engines.account import EngineError
from rhinecloud.engines.engines import Engines
from rhinecloud.engines.handover import NatsCredentials, WorkerHandover

__all__ = ["EngineError", "Engines", "NatsCredentials", "WorkerHandover"]
