"""Work that is queued in a transaction or due at a time, and CPU work off the event loop.

It offers `Jobs`. A job is queued through the connection of the caller's transaction: it is there if, and only if,
what it follows from was committed. It runs at least once, in any worker; a failure is tried again with growing pauses;
what fails for good is dead, stays, is seen (`Jobs.list`) and can be run again (`Jobs.retry`). `Jobs.schedule` queues a
job by a cron expression in the city's time zone, by one elected worker. `Jobs.compute` runs a function in another
process. `enqueue` queues a job from a command, which has no `Jobs`.
"""

from .compute import ComputeFailed, ComputeTimeout
from .jobs import Jobs
from .queueing import enqueue
from .records import JobRecord, NotDead, Schedule, State, remove_named
from .work import Attempt, GiveUp, Later

__all__ = [
    "Attempt",
    "ComputeFailed",
    "ComputeTimeout",
    "GiveUp",
    "JobRecord",
    "Jobs",
    "Later",
    "NotDead",
    "Schedule",
    "State",
    "enqueue",
    "remove_named",
]
