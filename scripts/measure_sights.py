"""What a sight costs: the same queries of 50,000 lamp posts with everything and as anybody sees them.

`PYTHONPATH=. nice .venv/bin/python scripts/measure_sights.py DATABASE_URL` with an empty database that may be filled.
"""

from __future__ import annotations

import asyncio
import statistics
import sys
import time

from tests.store.test_plans import BOX, PUBLISHED, _fill, about

from rhinecloud.model.sight import EVERYTHING, Grant, Sight
from rhinecloud.store import Database, queries
from rhinecloud.store.rankings import Rankings

ASKED: list[dict[str, str]] = [
    {"type": "Streetlight"},
    {"type": "Streetlight", "q": "controlGroup==7"},
    {"q": "level>=49900"},
    {"orderBy": "level;desc"},
    {"geo": f"within|Polygon|{BOX}"},
    {"type": "Streetlight", "count": ""},
    {"scopeQ": "/Duisburg/District7/#"},
]
TIMES = 60


async def main(url: str) -> None:
    """Print the median milliseconds of each query under both sights, and their ratio."""
    database = await Database.open(url, size=4)
    await _fill(database)
    known = Rankings(database.pool)
    scoped = Sight((Grant(scopes=frozenset({"/Duisburg/District7"})),))
    for asked in ASKED:
        medians = []
        for sight in (EVERYTHING, PUBLISHED, scoped):
            taken = []
            for _ in range(TIMES):
                begun = time.perf_counter()
                await queries.run(database.queries, about(**asked), known, sight=sight)
                taken.append((time.perf_counter() - begun) * 1_000)
            medians.append(statistics.median(taken))
        ratios = ", ".join(f"{one:.2f} ms ({one / medians[0]:.2f}x)" for one in medians)
        print(f"{asked}: {ratios}")
    await known.close()
    await database.close()


if __name__ == "__main__":
    asyncio.run(main(sys.argv[1]))
