"""The server of one gateway or a fleet of them: /NAME/… each. Beside TALQ there is /NAME/simulator for its faults."""

from __future__ import annotations

from collections.abc import Mapping

from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.routing import Route

from . import control_api, device_api
from .answering import answering
from .holdings import Holdings
from .luminaires import FAULTS

OPERATIONS = (*device_api.OPERATIONS, *control_api.OPERATIONS)


def application(fleet: Mapping[str, Holdings]) -> Starlette:
    """The ASGI application of gateways, by their names."""

    async def simulator(request: Request) -> Response:
        """What the lamps do; POST {"lamp": 0, "fault": "lamp_failure", "on": true} switches a fault, {"sensor": 0,
        "present": true} lets somebody come (false: go)."""
        holdings = fleet.get(request.path_params["gateway"])
        if holdings is None:
            return JSONResponse({"error": "there is no such gateway here"}, 404)
        lamps = list(holdings.luminaires.values())
        if request.method == "POST":
            said = await request.json()
            sensors = list(holdings.sensors.values())
            if 0 <= said.get("sensor", -1) < len(sensors):
                holdings.sense(sensors[said["sensor"]], present=bool(said.get("present", True)))
                return JSONResponse(None, 202)
            if said.get("fault") not in FAULTS or not 0 <= said.get("lamp", -1) < len(lamps):
                return JSONResponse(
                    {"error": f"a lamp below {len(lamps)} and one of {', '.join(FAULTS)}"}, 422
                )
            switch(holdings, said["lamp"], said["fault"], on=bool(said.get("on", True)))
        told = [
            {
                "asset": one.asset,
                "level": one.level,
                "calendar": one.calendar,
                "reason": one.wanted.reason,
                "faults": sorted(one.faults),
            }
            for one in lamps
        ]
        return JSONResponse({"address": str(holdings.address), "cms": str(holdings.cms), "lamps": told})

    routes = [
        Route("/{gateway}" + one.path, answering(one, fleet), methods=[one.method]) for one in OPERATIONS
    ]
    return Starlette(routes=[*routes, Route("/{gateway}/simulator", simulator, methods=["GET", "POST"])])


def switch(holdings: Holdings, lamp: int, fault: str, *, on: bool) -> None:
    """Let a lamp fail, or repair it."""
    luminaire = list(holdings.luminaires.values())[lamp]
    known = {one: one for one in FAULTS}[fault]  # type: ignore[index]
    (luminaire.faults.add if on else luminaire.faults.discard)(known)
    holdings.step()
    if fault == "lamp_failure":
        holdings.event(luminaire, "lampFailure", begins=on)
    holdings.record_all()
