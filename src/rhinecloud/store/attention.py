"""What somebody should look at: silent devices, open alarms, messages not understood, subscribers that fail."""

from __future__ import annotations

from datetime import datetime, timedelta

import asyncpg
import msgspec


class Standing(msgspec.Struct, frozen=True):
    """How many there are, and since when the first of them."""

    count: int
    since: datetime | None


async def silent_devices(pool: asyncpg.Pool, silence: timedelta) -> Standing:
    """Devices that may speak, did so once, and have not for so long."""
    return await _standing(
        pool,
        "SELECT count(*), min(seen_at) FROM device WHERE enabled AND seen_at < now() - $1::interval",
        silence,
    )


async def open_alarms(pool: asyncpg.Pool) -> Standing:
    """Alarms that nobody has acknowledged."""
    return await _standing(
        pool, "SELECT count(*), min(first_at) FROM device_alarm WHERE acknowledged_at IS NULL"
    )


async def unmapped(pool: asyncpg.Pool, within: timedelta) -> Standing:
    """Messages that came within this time and could not be mapped."""
    return await _standing(
        pool, "SELECT count(*), min(arrived) FROM unmapped WHERE arrived > now() - $1::interval", within
    )


async def failing_subscriptions(pool: asyncpg.Pool) -> Standing:
    """Subscriptions whose notifications are not taken; since the last that was taken, or that was tried."""
    return await _standing(
        pool,
        "SELECT count(*), min(coalesce(last_success, last_failure)) FROM subscription_state WHERE failing",
    )


async def silenced_subscriptions(pool: asyncpg.Pool) -> Standing:
    """Subscriptions whose owners may read nothing any more (blocked, deleted, run out), and that nobody paused."""
    return await _standing(
        pool,
        "SELECT count(*), min(t.silenced_at) "
        "FROM subscription_state t JOIN subscription s ON s.number = t.subscription "
        "WHERE t.silenced_at IS NOT NULL AND s.document->>'isActive' IS DISTINCT FROM 'false' "
        "AND coalesce((s.document->>'expiresAt')::timestamptz > now(), true)",
    )


async def _standing(pool: asyncpg.Pool, statement: str, *values: object) -> Standing:
    count, since = await pool.fetchrow(statement, *values)
    return Standing(count, since)
