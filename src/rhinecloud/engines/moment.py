"""One moment of the database, kept open so that a dump and what is counted beside it tell of the same state."""

from __future__ import annotations

import subprocess
from collections.abc import Iterator
from contextlib import contextmanager

from rhinecloud.engines.access import PSQL, Access
from rhinecloud.engines.account import EngineError

_BEGIN = b"""\
BEGIN ISOLATION LEVEL REPEATABLE READ READ ONLY;
SET LOCAL idle_in_transaction_session_timeout = 0;
SET LOCAL statement_timeout = 0;
SELECT pg_export_snapshot(), to_char(now() AT TIME ZONE 'UTC', 'YYYY-MM-DD"T"HH24:MI:SS"Z"');
"""
# Tables of extensions are not ours; a partition counts as the table that it is.
_COUNT = """\
SELECT string_agg(format('SELECT %L, count(*) FROM %I.%I', nspname || '.' || relname, nspname, relname), ' UNION ALL ')
FROM pg_class c JOIN pg_namespace n ON n.oid = relnamespace
WHERE relkind = 'r' AND nspname !~ '^pg_' AND nspname <> 'information_schema'
    AND NOT EXISTS (SELECT FROM pg_depend WHERE objid = c.oid AND deptype = 'e')
HAVING count(*) > 0 \\gexec
"""


class Moment:
    """A snapshot: `name` is what other sessions take it by, `time` when it was (RFC 3339, UTC)."""

    def __init__(self, process: subprocess.Popen[bytes], line: str) -> None:
        self._process = process
        self.name, self.time = line.split("|")

    def count_rows(self) -> dict[str, int]:
        """The rows of every table at this moment; it ends with it. Raises EngineError."""
        printed, complaint = self._process.communicate(_COUNT.encode())
        if self._process.returncode != 0:
            raise EngineError(f"The rows cannot be counted: {complaint.decode(errors='replace').strip()}")
        return _pairs(printed.decode())


@contextmanager
def snapshot(access: Access) -> Iterator[Moment]:
    """A moment, from here to the end of the block. Raises EngineError."""
    process = access.start("psql", *PSQL, "-f", "-", access.url, stdin=subprocess.PIPE)
    try:
        assert process.stdin is not None and process.stdout is not None
        try:
            process.stdin.write(_BEGIN)
            process.stdin.flush()
            line = process.stdout.readline().decode().strip()
        except BrokenPipeError:
            line = ""
        if not line:
            _, complaint = process.communicate()
            raise EngineError(f"The database said: {complaint.decode(errors='replace').strip()}")
        yield Moment(process, line)
    finally:
        process.kill()
        process.communicate()


def count_rows(access: Access) -> dict[str, int]:
    """The rows of every table now. Raises EngineError."""
    return _pairs(access.sql(_COUNT))


def _pairs(text: str) -> dict[str, int]:
    pairs = (line.rpartition("|") for line in text.splitlines() if line)
    return {name: int(count) for name, _, count in sorted(pairs)}
