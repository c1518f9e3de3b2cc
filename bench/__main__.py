"""`python -m bench NAME [--json FILE] [--quick] [--only NAMES]`."""

from __future__ import annotations

import argparse
import signal
import sys
from pathlib import Path

import msgspec

from . import backup, broker, lighting, lighting_demand, lighting_faults, lighting_schedules, report


def main() -> int:
    """Measure and print; 1 if any request failed."""
    parser = argparse.ArgumentParser(prog="python -m bench", description=__doc__)
    parser.add_argument(
        "name",
        choices=["broker", "backup", "lighting", "lighting_demand", "lighting_faults", "lighting_schedules"],
        help="what to measure",
    )
    parser.add_argument(
        "--json", type=Path, metavar="FILE", help="write every figure there too ('-': print it)"
    )
    parser.add_argument(
        "--quick", action="store_true", help="tiny sizes: does it run? Its figures mean nothing"
    )
    parser.add_argument("--only", default="", metavar="NAMES", help="these comparisons only, e.g. update,get")
    parser.add_argument("--chart", type=Path, metavar="FILE", help="lighting: write the chart there (SVG)")
    arguments = parser.parse_args()
    only = frozenset(filter(None, arguments.only.split(",")))
    known = lighting.PARTS if arguments.name == "lighting" else tuple(broker.COMPARISONS)
    if not only <= frozenset(known):
        parser.error(f"--only takes {', '.join(known)}, separated by commas")
    # Whoever ends us by SIGTERM leaves no server and no folder behind either.
    signal.signal(signal.SIGTERM, lambda number, frame: sys.exit(128 + number))
    if arguments.name == "backup":
        return _backup(arguments)
    if arguments.name == "lighting":
        return _lighting(arguments, only)
    if arguments.name == "lighting_faults":
        return _lighting_faults(arguments)
    if arguments.name == "lighting_schedules":
        return _lighting_schedules(arguments)
    if arguments.name == "lighting_demand":
        return _lighting_demand(arguments)
    plan = broker.QUICK if arguments.quick else broker.Plan()
    result = broker.run(plan, lambda text: print(text, file=sys.stderr, flush=True), only)
    print(report.table(result))
    _write(arguments.json, result)
    return 1 if result.errors else 0


def _write(file: Path | None, result: msgspec.Struct) -> None:
    if file is None:
        return
    text = msgspec.json.format(msgspec.json.encode(result), indent=1).decode() + "\n"
    if str(file) == "-":
        print(text, end="")
    else:
        file.write_text(text)


def _lighting_schedules(arguments: argparse.Namespace) -> int:
    result = lighting_schedules.run(500 if arguments.quick else 50_000)
    print(lighting_schedules.table(result))
    _write(arguments.json, result)
    return 0


def _lighting_demand(arguments: argparse.Namespace) -> int:
    result = lighting_demand.run(20 if arguments.quick else 300)
    print(lighting_demand.table(result))
    _write(arguments.json, result)
    return 0


def _lighting_faults(arguments: argparse.Namespace) -> int:
    result = lighting_faults.run(500 if arguments.quick else 50_000)
    print(lighting_faults.table(result))
    _write(arguments.json, result)
    return 0


def _lighting(arguments: argparse.Namespace, only: frozenset[str]) -> int:
    def say(text: str) -> None:
        print(text, file=sys.stderr, flush=True)

    result = lighting.run(arguments.quick, only, arguments.chart, say)
    print(lighting.table(result))
    if arguments.json is not None:
        text = msgspec.json.format(msgspec.json.encode(result), indent=1).decode() + "\n"
        print(text, end="") if str(arguments.json) == "-" else arguments.json.write_text(text)
    return 0


def _backup(arguments: argparse.Namespace) -> int:
    result = backup.run(
        500 if arguments.quick else 50_000, lambda text: print(text, file=sys.stderr, flush=True)
    )
    print(backup.table(result))
    _write(arguments.json, result)
    return 1 if result.missing else 0


if __name__ == "__main__":
    sys.exit(main())
