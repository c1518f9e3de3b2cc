"""Device profiles: seen, tried, written."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any

import msgspec

from rhinecloud.gateways.profiles import ProfileError
from rhinecloud.model import BadRequestData, ResourceNotFound
from rhinecloud.people.permissions import MANAGE_PROFILES, SEE_PROFILES

from . import views
from .exchange import Answer, ApiError, Request
from .route import Route, Services
from .views import view_profile


async def list_profiles(services: Services, request: Request) -> Answer:
    """GET /profiles."""
    items = [
        view_profile(profile, await services.devices.registry.count_using(profile.name))
        for profile in services.profiles.all()
    ]
    return Answer(200, views.ProfileViews(items))


async def get_profile(services: Services, request: Request) -> Answer:
    """GET /profiles/{profile}."""
    name = request.arguments["profile"]
    profile = services.profiles.get(name)
    if profile is None:
        raise ResourceNotFound(f"there is no profile {name}")
    return Answer(200, view_profile(profile, await services.devices.registry.count_using(name)))


async def save_profile(services: Services, request: Request) -> Answer:
    """PUT /profiles/{profile}."""
    name = request.arguments["profile"]
    document = request.document(dict[str, Any])
    if document.get("name", name) != name:
        raise BadRequestData(f"the document names itself {document['name']!r:.80}, not {name}", field="/name")
    try:
        profile = await services.profiles.save({"name": name, **document}, request.actor)
    except ProfileError as error:
        raise _refused(error) from None
    return Answer(200, view_profile(profile, await services.devices.registry.count_using(name)))


async def delete_profile(services: Services, request: Request) -> Answer:
    """DELETE /profiles/{profile}."""
    name = request.arguments["profile"]
    using = await services.devices.registry.count_using(name)
    if using:
        one = "" if using == 1 else "s"
        raise ApiError(
            409, "Conflict", f"{using} device{one} of the profile {name}: give them another one first"
        )
    try:
        if not await services.profiles.delete(name, request.actor):
            raise ResourceNotFound(f"there is no profile {name}")
    except ProfileError as error:
        raise _refused(error, 409) from None
    return Answer(204)


async def try_profile(services: Services, request: Request) -> Answer:
    """POST /profiles/try."""
    asked = request.document(views.Try)
    if (asked.payload is None) == (asked.payload_base64 is None):
        raise BadRequestData("one of payload and payload_base64 is given")
    if isinstance(asked.profile, str) and services.profiles.get(asked.profile) is None:
        raise BadRequestData(f"there is no profile {asked.profile!r:.80}", field="/profile")
    payload = asked.payload.encode() if asked.payload is not None else asked.payload_base64 or b""
    trial = services.profiles.try_(asked.profile, asked.topic, payload, datetime.now(UTC))
    return Answer(
        200,
        views.TrialView(
            profile=trial.profile,
            device=trial.device,
            captured=trial.captured,
            entities=trial.entities,
            confirmations=[
                views.ConfirmationView(**msgspec.structs.asdict(one)) for one in trial.confirmations
            ],
            findings=trial.findings,
            problems=[views.ProblemAt(pointer, text) for pointer, text in trial.problems],
            kind=trial.kind,
        ),
    )


def _refused(error: ProfileError, status: int = 422) -> ApiError:
    title = "Conflict" if status == 409 else "A profile that cannot be used"
    problems = [{"field": pointer, "detail": text} for pointer, text in error.problems]
    return ApiError(status, title, str(error), problems=problems)


ROUTES = (
    Route("GET", "/profiles", SEE_PROFILES, list_profiles, "All profiles, by name", answer=views.ProfileViews),
    Route(
        "POST", "/profiles/try", SEE_PROFILES, try_profile,
        "What a profile would make of a message; nothing is written", body=views.Try, answer=views.TrialView,
        errors=(400, 415),
    ),
    Route(
        "GET", "/profiles/{profile}", SEE_PROFILES, get_profile, "A profile", answer=views.ProfileView, errors=(404,)
    ),
    Route(
        "PUT", "/profiles/{profile}", MANAGE_PROFILES, save_profile,
        "Write a profile of the city's own; what is wrong in it is told with the field", body=dict[str, Any],
        answer=views.ProfileView, errors=(400, 415, 422),
    ),
    Route(
        "DELETE", "/profiles/{profile}", MANAGE_PROFILES, delete_profile,
        "Delete a profile of the city's own that nothing uses", status=204, errors=(404, 409),
    ),
)  # fmt: skip
