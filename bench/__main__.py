"""`python -m bench NAME [--json FILE] [--quick] [--only NAMES]`."""

from __future__ import annotations

import argparse
import signal
import sys
from pathlib import Path

import msgspec

from . import (
    backup,
    broker,
    lighting,
    lighting_demand,
    lighting_faults,
    lighting_reports,
    lighting_schedules,
    lighting_talq,
    participation,
    report,
)


def main() -> int:
    """Measure and print; 1 if any request failed."""
    parser = argparse.ArgumentParser(prog="python -m bench", description=__doc__)
    parser.add_argument(
        "name",
        choices=[
            *("broker", "backup", "lighting"),
            *(
                "lighting_demand",
                "lighting_faults",
                "lighting_reports",
                "lighting_schedules",
                "lighting_talq",
                "participation",
            ),
        ],
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
    hall = parser.add_argument_group("participation")
    hall.add_argument(
        "--participants",
        type=int,
        action="append",
        metavar="N",
        help="a hall of so many; again for more halls",
    )
    hall.add_argument("--workers", type=int, default=2, metavar="N", help="processes that serve (default 2)")
    hall.add_argument(
        "--limit", action="store_true", help="look for the largest hall for which all aims are met"
    )
    hall.add_argument("--no-idle", action="store_true", help="without the 10,000 open pages")
    hall.add_argument(
        "--assets",
        type=float,
        default=1.0,
        metavar="SHARE",
        help="of phones that load styles and scripts, too",
    )
    arguments = parser.parse_args()
    only = frozenset(filter(None, arguments.only.split(",")))
    known = lighting.PARTS if arguments.name == "lighting" else tuple(broker.COMPARISONS)
    if not only <= frozenset(known):
        parser.error(f"--only takes {', '.join(known)}, separated by commas")
    # Whoever ends us by SIGTERM leaves no server and no folder behind either.
    signal.signal(signal.SIGTERM, lambda number, frame: sys.exit(128 + number))
    if arguments.name != "broker":
        return _other(arguments, only)
    plan = broker.QUICK if arguments.quick else broker.Plan()
    result = broker.run(plan, _say, only)
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


def _other(arguments: argparse.Namespace, only: frozenset[str]) -> int:
    quick, lamps = arguments.quick, 500 if arguments.quick else 50_000
    result: msgspec.Struct
    missing = 0
    match arguments.name:
        case "backup":
            result = kept = backup.run(lamps, _say)
            text, missing = backup.table(kept), kept.missing
        case "lighting":
            text = lighting.table(result := lighting.run(quick, only, arguments.chart, _say))
        case "lighting_demand":
            text = lighting_demand.table(result := lighting_demand.run(20 if quick else 300))
        case "lighting_faults":
            text = lighting_faults.table(result := lighting_faults.run(lamps))
        case "lighting_reports":
            text = lighting_reports.table(result := lighting_reports.run(lamps, _say))
        case "lighting_schedules":
            text = lighting_schedules.table(result := lighting_schedules.run(lamps))
        case "participation":
            voted = participation.run(
                arguments.participants or ((20,) if quick else participation.SIZES),
                _say,
                workers=arguments.workers,
                idle=0 if arguments.no_idle else 50 if quick else participation.IDLE,
                limit=arguments.limit,
                assets=arguments.assets,
                within=4.0 if quick else participation.WITHIN,
            )
            text, result, missing = participation.table(voted), voted, voted.errors
        case _:
            text = lighting_talq.table(result := lighting_talq.run(*((3, 5) if quick else (500, 100)), _say))
    print(text)
    _write(arguments.json, result)
    return 1 if missing else 0


def _say(text: str) -> None:
    print(text, file=sys.stderr, flush=True)


if __name__ == "__main__":
    sys.exit(main())
