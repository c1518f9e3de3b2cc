"""Start a simulated Duisburg on this machine: an open installation and devices that speak to it.

It has a data folder of its own, keeps its data from one start to the next, and takes other ports when the
usual ones are in use. Nothing outside this machine can reach it, but for the opening event where `--phones` says so.
"""

from __future__ import annotations

import argparse
import os
import sys
from functools import partial
from urllib.parse import urlsplit

from rhinecloud.commands.options import add_settings, settings_from
from rhinecloud.commands.serve import announce, refuse_unsafe, say
from rhinecloud.engines.nats import port_problem
from rhinecloud.engines.supervisor import Companion, Supervisor
from rhinecloud.observing.lines import Lines
from rhinecloud.settings import ENVIRONMENT_PREFIX, Settings, default_data_folder


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """The settings that make sense for a demo."""
    add_settings(
        parser,
        ["data", "host", "port", "mqtt_port", "workers", "log_level", "map_outline", "map_style_url"],
        {"data": f"Folder with all data of the demo. Default: {default_data_folder('rhinecloud-demo')}."},
    )
    parser.add_argument(
        "--speed",
        type=float,
        default=1.0,
        metavar="N",
        help="how quickly the simulated day passes: 60 makes an hour a minute [%(default)s]",
    )
    parser.add_argument(
        "--phones",
        default="",
        metavar="HOST:PORT",
        help="an address of this machine at which phones of the network come to the opening event, and to nothing else",
    )


def run(arguments: argparse.Namespace) -> int:
    """Serve and simulate until stopped."""
    settings = settings_from(arguments, data=default_data_folder("rhinecloud-demo"), open=True)
    for name in ("port", "mqtt_port"):
        if getattr(arguments, name) is None and not os.environ.get(ENVIRONMENT_PREFIX + name.upper()):
            setattr(arguments, name, _usual_or_free(settings, name))
    settings = settings_from(arguments, data=settings.data, open=True)
    refuse_unsafe(settings)
    companion = partial(simulated_city, speed=arguments.speed, phones=arguments.phones)
    return Supervisor(settings, say=Lines(settings.log_format), on_ready=announce, companion=companion).run()


def _usual_or_free(settings: Settings, name: str) -> int:
    usual: int = getattr(settings, name)
    if port_problem(settings.host, usual) is None:
        return usual
    say(f"Port {usual} is in use on this machine; the demo takes another.")
    return 0


def simulated_city(supervisor: Supervisor, *, speed: float = 1.0, phones: str = "") -> Companion | None:
    """The process that plays the city's devices; it knows addresses only, like any device. `speed` is that of its own
    clock, which nobody else looks at; `phones` where it lets in phones."""
    if supervisor.engines.mqtt_url is None:
        say("No address for MQTT is known (RHINECLOUD_MQTT_URL): no devices are simulated.")
        return None
    mqtt = urlsplit(supervisor.engines.mqtt_url).netloc
    command = [sys.executable, "-m", "rhinecloud.demo", "--http", supervisor.url, "--mqtt", mqtt]
    command += ["--speed", str(speed), *(["--phones", phones] if phones else [])]
    return Companion("The simulated city", command, say)
