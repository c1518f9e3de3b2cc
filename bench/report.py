"""The table for a person."""

from __future__ import annotations

from .figures import Comparison, Result

_RATIO = 0.6
_UPDATES, _UPDATE_P99_MS = 3_500, 50
_WARM_SECONDS, _IDLE_MB = 3.0, 400
_QOS1, _QOS0, _WEBHOOK_P99_MS = 3_000, 8_000, 50  # five attributes a message; at 500 changes/s
_HOURS_MS, _MEANS_MS, _VALUE_BYTES = 60, 150, 12  # of a year; of many series; after compaction
_GROWTH = 1.05  # memory of the worker while it tells its viewers; less is flat


def table(result: Result) -> str:
    """Everything as text."""
    memory, loaded, starts = result.memory_idle, result.memory_loaded, result.starts
    lines = [
        "Client, server, PostgreSQL and NATS share this machine and its "
        f"{result.machine['cores']} cores (load average before: {result.machine['load_average_before']:.1f}).",
        "Medians of rounds in turns; ratio = median of the rounds' ratios, product / raw limit.",
        "",
        f"start       cold {starts.cold:.2f} s   warm {starts.warm:.2f} s   (to the first answered query)",
        f"memory      idle {memory.total:.0f} MB (worker {memory.worker:.0f}, PostgreSQL {memory.postgresql:.0f}, "
        f"NATS {memory.nats:.0f}, supervisor {memory.supervisor:.0f})   after load {loaded.total:.0f} MB "
        f"(worker {loaded.worker:.0f}, PostgreSQL {loaded.postgresql:.0f}, NATS {loaded.nats:.0f})",
        f"loading     {result.loading:,.0f} entities/s by batch creation",
    ]
    if result.one_by_one["done"]:
        lines.append(
            f"one device  publish → committed {result.one_by_one['p50']:.1f} ms, p99 {result.one_by_one['p99']:.1f} ms"
        )
    if result.viewing is not None:
        seen = result.viewing
        each = (seen.gathered - seen.before) * 1e3 / max(1, seen.viewers)
        lines.append(
            f"viewers     {seen.viewers:,}: worker {seen.before:.0f} MB before, {seen.gathered:.0f} MB with them "
            f"({each:.0f} kB each), {seen.told:.0f} MB after they were told"
        )
    lines += [
        "",
        f"{'':26}{'product':>8}{'p50 ms':>8}{'p99 ms':>8}{'raw':>9}{'p50':>7}{'p99':>7}{'ratio':>7}"
        f"{'all rows':>10}{'p99':>7}{'ratio':>7}  unit, connections, raw limit, rounds",
        *(_line(one) for one in result.comparisons),
        "",
        f"{'CPU ms a request':26}{'worker':>9}{'PostgreSQL':>12}{'NATS':>8}{'client':>8}"
        f"   raw: {'server':>8}{'client':>8}   all rows:{'server':>9}",
        *(_cpu(one) for one in result.comparisons),
        "",
        *(_extra(one) for one in result.comparisons if one.product.extra),
        "",
        *_aims(result),
        f"{result.errors} errors; {result.seconds:.0f} s in all",
    ]
    lines += [
        f"ERRORS in {one.name}: {side.errors}, the first: {side.complaint}"
        for one in result.comparisons
        for side in (one.product, one.raw, one.rows)
        if side is not None and side.errors
    ]
    return "\n".join(lines)


def _line(one: Comparison) -> str:
    product, raw, rows = one.product, one.raw, one.rows
    shown = f"{product.p50_ms:8.1f}{product.p99_ms:8.1f}" if one.latencies else f"{'–':>8}{'–':>8}"
    text = f"{one.name:26}{product.rate:8,.0f}{shown}{raw.rate:9,.0f}{raw.p50_ms:7.1f}{raw.p99_ms:7.1f}{one.ratio:7.2f}"
    text += f"{rows.rate:10,.0f}{rows.p99_ms:7.1f}{one.ratio_rows:7.2f}" if rows is not None else f"{'':24}"
    of = {"rate": "", "p50": ", ratio of p50", "cpu": ", ratio of CPU time"}[one.by]
    return f"{text}  {one.unit}, {one.connections}, {one.raw_name}{of}, {len(product.rates)} rounds" + (
        f"  {one.errors} ERRORS" if one.errors else ""
    )


def _cpu(one: Comparison) -> str:
    mine, raw, rows = one.product.cpu_ms, one.raw.cpu_ms, one.rows
    text = (
        f"{one.name:26}{mine['worker']:9.3f}{mine['postgresql']:12.3f}{mine['nats']:8.3f}{mine['generator']:8.3f}"
        f"        {raw['postgresql'] + raw['nats']:8.3f}{raw['generator']:8.3f}"
    )
    return text + (f"{rows.cpu_ms['postgresql']:21.3f}" if rows is not None else "")


def _extra(one: Comparison) -> str:
    """What a comparison found besides, of the product."""
    return f"{one.name}: " + ", ".join(f"{name} {value:,.1f}" for name, value in one.product.extra.items())


def _aims(result: Result) -> list[str]:
    """The project's aims and whether this run met them."""
    aims = [
        (f"warm start < {_WARM_SECONDS:.0f} s", result.starts.warm < _WARM_SECONDS),
        (f"idle memory < {_IDLE_MB} MB", result.memory_idle.total < _IDLE_MB),
    ]
    for one in result.comparisons:
        if one.name == "single durable update":
            aims.append((f"updates ≥ {_UPDATES:,}/s", one.product.rate >= _UPDATES))
            aims.append((f"their p99 < {_UPDATE_P99_MS} ms", one.product.p99_ms < _UPDATE_P99_MS))
        if one.name == "MQTT QoS 1 → committed (5)":
            aims.append((f"MQTT QoS 1, five attributes ≥ {_QOS1:,}/s", one.product.rate >= _QOS1))
        if one.name == "MQTT QoS 0 → committed (5)":
            aims.append((f"MQTT QoS 0, five attributes ≥ {_QOS0:,}/s", one.product.rate >= _QOS0))
        if one.name == "hourly means of a year":
            aims.append((f"hourly means of a year < {_HOURS_MS} ms", one.product.p50_ms < _HOURS_MS))
            size = one.product.extra["bytes a value"]
            aims.append((f"numeric history ≤ {_VALUE_BYTES} bytes a value", size <= _VALUE_BYTES))
        if one.name.startswith("means of "):
            aims.append((f"{one.name} < {_MEANS_MS} ms", one.product.p50_ms < _MEANS_MS))
        if one.name == "commit → webhook":
            aims.append(
                (f"commit → webhook p99 < {_WEBHOOK_P99_MS} ms", one.product.p99_ms < _WEBHOOK_P99_MS)
            )
    if result.viewing is not None:
        flat = all(after <= _GROWTH * there for there, after in result.viewing.rounds)
        aims.append((f"memory flat with {result.viewing.viewers:,} viewers", flat))
    below = [one.name for one in result.comparisons if one.ratio < _RATIO and one.by == "rate"]
    aims.append((f"ratios ≥ {_RATIO:.2f}" + (f" (below: {', '.join(below)})" if below else ""), not below))
    return [f"aim {'met    ' if met else 'NOT met'}  {text}" for text, met in aims]
