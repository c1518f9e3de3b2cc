"""The table for a person."""

from __future__ import annotations

from .figures import Comparison, Result

_RATIO = 0.6
_UPDATES, _UPDATE_P99_MS = 3_500, 50
_WARM_SECONDS, _IDLE_MB = 3.0, 400


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
    return f"{text}  {one.unit}, {one.connections}, {one.raw_name}, {len(product.rates)} rounds" + (
        f"  {one.errors} ERRORS" if one.errors else ""
    )


def _cpu(one: Comparison) -> str:
    mine, raw, rows = one.product.cpu_ms, one.raw.cpu_ms, one.rows
    text = (
        f"{one.name:26}{mine['worker']:9.3f}{mine['postgresql']:12.3f}{mine['nats']:8.3f}{mine['generator']:8.3f}"
        f"        {raw['postgresql'] + raw['nats']:8.3f}{raw['generator']:8.3f}"
    )
    return text + (f"{rows.cpu_ms['postgresql']:21.3f}" if rows is not None else "")


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
    below = [one.name for one in result.comparisons if one.ratio < _RATIO]
    aims.append((f"ratios ≥ {_RATIO:.2f}" + (f" (below: {', '.join(below)})" if below else ""), not below))
    return [f"aim {'met    ' if met else 'NOT met'}  {text}" for text, met in aims]
