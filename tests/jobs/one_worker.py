"""A worker process to be killed: notes each job it begins, then never ends it, or ends the whole process."""

from __future__ import annotations

import asyncio
import os
import sys
from typing import Any

from rhinecloud.jobs import Attempt, Jobs
from rhinecloud.store import Database

from .conftest import LEASE


async def main(url: str, ending: str) -> None:
    database = await Database.open(url, size=6)

    async def never_done(payload: Any, attempt: Attempt) -> None:
        await database.pool.execute(
            "INSERT INTO ran (job, pid, number) VALUES ($1, $2, $3)", attempt.job, os.getpid(), attempt.number
        )
        if ending == "dies":
            os._exit(1)
        await asyncio.Event().wait()

    jobs = Jobs(database, "Europe/Berlin", lease=LEASE, crashes=2)
    jobs.register("job", never_done)
    await jobs.open()
    await asyncio.Event().wait()


if __name__ == "__main__":
    asyncio.run(main(sys.argv[1], sys.argv[2]))
