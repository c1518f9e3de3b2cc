"""`rhinecloud lighting talq-gateway`: reference gateways with simulated luminaires."""

from __future__ import annotations

import argparse
import asyncio
import logging
import ssl
from collections.abc import Sequence
from datetime import timedelta
from pathlib import Path
from typing import Final

import httpx
import uvicorn

from .holdings import Holdings, Lamp
from .luminaires import FAULTS
from .server import application, switch
from .speaking import Speaker

HELP: Final = "a reference gateway of TALQ 2.7.1 with simulated luminaires"


def arguments(parser: argparse.ArgumentParser) -> None:
    """Its options."""
    parser.add_argument("--cms", required=True, metavar="URL", help="the address of the CMS (cmsUri)")
    parser.add_argument(
        "--keys",
        required=True,
        type=Path,
        metavar="FILE",
        help="a line for each gateway: its name, a blank, its key",
    )
    parser.add_argument("--host", default="127.0.0.1", help="the address to listen at (127.0.0.1)")
    parser.add_argument("--port", type=int, default=8600, help="the port to listen at (8600)")
    parser.add_argument("--url", metavar="URL", help="how the CMS reaches us (http://HOST:PORT)")
    parser.add_argument(
        "--lamps",
        type=Path,
        metavar="FILE",
        help="a line for each lamp: gateway;asset;lon;lat;watts. Without: ten each",
    )
    parser.add_argument(
        "--sensors", type=Path, metavar="FILE", help="a line for each presence sensor: gateway;asset"
    )
    parser.add_argument("--every", type=float, default=5.0, metavar="SECONDS", help="between two reports (5)")
    parser.add_argument(
        "--sample", type=float, default=300.0, metavar="SECONDS", help="between two states of all (300)"
    )
    parser.add_argument(
        "--shift", type=float, default=0.0, metavar="HOURS", help="what schedules run ahead (0)"
    )
    parser.add_argument(
        "--fault",
        action="append",
        default=[],
        metavar="LAMP:FAULT",
        help=f"from the start: {', '.join(FAULTS)}",
    )
    parser.add_argument(
        "--certificate", type=Path, metavar="FILE", help="serve TLS, and show this to the CMS (PEM)"
    )
    parser.add_argument("--key", type=Path, metavar="FILE", help="its private key (PEM)")
    parser.add_argument(
        "--authority",
        type=Path,
        metavar="FILE",
        help="who signs the CMS's certificates (PEM); it must show one, too",
    )


def run(given: argparse.Namespace) -> int:
    """Serve until it is stopped."""
    logging.basicConfig(level=logging.INFO, format="%(asctime)s %(message)s")
    logging.getLogger("httpx").setLevel(logging.WARNING)
    try:
        keys = _keys(given.keys)
        fleet = _fleet(given, list(keys))
    except (OSError, ValueError) as error:
        print(error)
        return 2
    asyncio.run(_serve(given, keys, fleet))
    return 0


def _keys(file: Path) -> dict[str, str]:
    found = dict(line.split(None, 1) for line in file.read_text().splitlines() if line.strip())
    if not found:
        raise ValueError(f"{file} names no gateway")
    return {name: key.strip() for name, key in found.items()}


def _fleet(given: argparse.Namespace, names: Sequence[str]) -> dict[str, Holdings]:
    lamps: dict[str, list[Lamp]] = {name: [] for name in names}
    if given.lamps is None:
        for name, those in lamps.items():
            those += [Lamp(f"{name}-{number}", 6.76, 51.43) for number in range(10)]
    else:
        for line in filter(None, given.lamps.read_text().splitlines()):
            name, asset, lon, lat, watts = line.split(";")
            lamps[name].append(Lamp(asset, float(lon), float(lat), float(watts)))
    sensors: dict[str, list[str]] = {name: [] for name in names}
    for line in filter(None, given.sensors.read_text().splitlines() if given.sensors else ()):
        name, asset = line.split(";")
        sensors[name].append(asset)
    shift = timedelta(hours=given.shift)
    fleet = {name: Holdings(name, those, sensors=sensors[name], shift=shift) for name, those in lamps.items()}
    for text in given.fault:
        number, _, fault = text.partition(":")
        for holdings in fleet.values():
            switch(holdings, int(number), fault, on=True)
    return fleet


async def _serve(given: argparse.Namespace, keys: dict[str, str], fleet: dict[str, Holdings]) -> None:
    tls = given.certificate is not None
    config = uvicorn.Config(
        application(fleet),
        host=given.host,
        port=given.port,
        log_level="warning",
        ssl_certfile=given.certificate,
        ssl_keyfile=given.key,
        ssl_ca_certs=None if given.authority is None else str(given.authority),
        ssl_cert_reqs=ssl.CERT_REQUIRED if tls and given.authority is not None else ssl.CERT_NONE,
    )
    server = uvicorn.Server(config)
    serving = asyncio.create_task(server.serve())
    while not server.started and not serving.done():
        await asyncio.sleep(0.02)
    if serving.done():
        await serving
        return
    port = server.servers[0].sockets[0].getsockname()[1]
    here = f"{'https' if tls else 'http'}://{given.host}:{port}"
    own = (given.url or here).rstrip("/")
    print(f"Listening at {here}, called at {own}", flush=True)
    verify: ssl.SSLContext | bool = True
    if given.authority is not None:
        verify = ssl.create_default_context(cafile=given.authority)
        if tls:
            verify.load_cert_chain(given.certificate, given.key)
    limits = httpx.Limits(max_connections=50)
    async with httpx.AsyncClient(timeout=30, verify=verify, limits=limits, trust_env=False) as http:
        living = [
            asyncio.create_task(
                Speaker(holdings, http, given.cms, keys[name], f"{own}/{name}").live(
                    every=given.every, sample=given.sample
                )
            )
            for name, holdings in fleet.items()
        ]
        await serving
        for one in living:
            one.cancel()
        await asyncio.gather(*living, return_exceptions=True)
