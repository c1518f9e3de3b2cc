"""`python -m tests.conformance SUITE_FOLDER [--only GROUP/…] [--include-registrations] [--output FOLDER]`."""

from __future__ import annotations

import argparse
import contextlib
import os
import shutil
import signal
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from pathlib import Path
from xml.etree.ElementTree import ParseError

from bench.installation import Installation, free_port, installation

from rhinecloud.model.core_context import CORE_CONTEXT_URL

from . import mosquitto, results
from .suite import COMPOUND_CONTEXT, CannotRun, Suite

# The suite's MQTT broker has a fixed port; at an address of its own it does not meet a broker of somebody else.
_MQTT_ADDRESS = "127.0.0.2"
_NO_FIGURES = 251  # Robot Framework's exit codes from here on: it did not run the cases


def main() -> int:
    """Run the suite and print its figures; 2 if it could not run."""
    parser = argparse.ArgumentParser(prog="python -m tests.conformance", description=__doc__)
    parser.add_argument("suite", type=Path, metavar="SUITE_FOLDER", help="a checkout of the suite")
    parser.add_argument(
        "--only",
        action="append",
        default=[],
        metavar="GROUP/…",
        help="a folder or file below TP/NGSI-LD, such as ContextInformation/Provision; may be given again",
    )
    parser.add_argument(
        "--include-registrations", action="store_true", help="run what needs context source registrations too"
    )
    parser.add_argument("--output", type=Path, metavar="FOLDER", help="keep Robot's output and the logs here")
    arguments = parser.parse_args()
    # Whoever ends us by SIGTERM leaves no server and no folder behind either.
    signal.signal(signal.SIGTERM, lambda number, frame: sys.exit(128 + number))
    try:
        suite = Suite(arguments.suite)
        paths = suite.chosen(arguments.only)
        with _output(arguments.output) as output:
            cases = _run(suite, paths, output, registrations=arguments.include_registrations)
            (output / "failures.tsv").write_text("".join(f"{line}\n" for line in results.failures(cases)))
    except (CannotRun, OSError, RuntimeError) as problem:
        print(f"The suite could not run: {problem}", file=sys.stderr)
        return 2
    for line in results.report(cases):
        print(line)
    return 0


@contextlib.contextmanager
def _output(kept: Path | None) -> Iterator[Path]:
    if kept is not None:
        kept.mkdir(parents=True, exist_ok=True)
        yield kept.resolve()
        return
    with tempfile.TemporaryDirectory(prefix="rc-conformance-") as folder:
        yield Path(folder)


def _run(suite: Suite, paths: list[Path], output: Path, *, registrations: bool) -> list[results.Case]:
    with tempfile.TemporaryDirectory(prefix="rc-suite-", dir="/tmp") as folder:
        Path(folder).chmod(0o711)
        contexts, engine = Path(folder, "contexts.json"), Path(folder, "mqtt")
        suite.write_contexts(contexts)
        flags = (
            f"--context-preload={contexts}",
            "--outbound-allow=127.0.0.0/8,localhost",
            "--temporal-page=30",
        )
        with installation(*flags) as broker:
            try:
                broker.start()
                variables = _variables(broker)
                if not mosquitto.available():
                    print("mosquitto is not installed: cases of MQTT will fail", file=sys.stderr)
                other = int(str(variables["mqtt_broker_non_default_port"]))
                place = mosquitto.install(
                    engine, suite.folder / "resources" / "mqttUtils" / "mosquitto", _MQTT_ADDRESS, other
                )
                command = suite.command(paths, variables, output, registrations=registrations)
                environ = os.environ | {
                    "PATH": f"{place}:{os.environ['PATH']}",
                    "PYTHONDONTWRITEBYTECODE": "1",
                }
                return _robot(suite, command, environ, output, broker)
            finally:
                mosquitto.stop(engine)
                _keep_log(broker, output / "broker.log")


def _keep_log(broker: Installation, kept: Path) -> None:
    """A broker that says it went wrong on the way is worth a look even where no case noticed."""
    if broker.log.exists():
        shutil.copyfile(broker.log, kept)
        errors = sum(" ERROR " in line for line in kept.read_text(errors="replace").splitlines())
        if errors:
            print(f"the broker's log has {errors} errors (with --output it is kept: {kept})", file=sys.stderr)


def _robot(
    suite: Suite, command: list[str], environ: dict[str, str], output: Path, broker: Installation
) -> list[results.Case]:
    file = output / "output.xml"
    file.unlink(missing_ok=True)
    told = output / "robot.log"
    print(f"Robot Framework runs; it writes to {told}", file=sys.stderr, flush=True)
    with told.open("wb") as log:
        done = subprocess.run(command, cwd=suite.folder, env=environ, stdout=log, stderr=log, check=False)
    code = done.returncode
    if code >= _NO_FIGURES or code < 0 or not file.exists():
        raise CannotRun(f"Robot Framework ended with {code}:\n{told.read_text()[-2000:]}")
    if not broker.running:
        raise CannotRun("the broker ended on the way; what follows that has no meaning")
    try:
        return results.read(file, suite.cases)
    except ParseError as error:
        raise CannotRun(f"{file} is broken: {error}") from None


def _variables(broker: Installation) -> dict[str, object]:
    """What resources/variables.py of the suite sets otherwise."""
    root = f"http://127.0.0.1:{broker.port}/ngsi-ld/v1"
    return {
        "url": root,
        "temporal_api_url": root,
        "ngsild_test_suite_context": COMPOUND_CONTEXT,
        "core_context": CORE_CONTEXT_URL,
        "notification_server_host": "127.0.0.1",
        "notification_server_port": free_port(),
        "context_source_host": "127.0.0.1",
        "context_source_port": free_port(),
        "context_server_host": "127.0.0.1",
        "context_server_port": free_port(),
        "mqtt_broker_host": _MQTT_ADDRESS,
        "mqtt_broker_non_default_port": free_port(),
    }


if __name__ == "__main__":
    sys.exit(main())
