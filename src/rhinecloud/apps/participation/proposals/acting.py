"""Forms of proposals: written, entered from paper, supported, commented, amended, answered, merged."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Mapping
from typing import Final
from uuid import UUID

from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import RedirectResponse, Response

from rhinecloud.city import City, Refused, Rules
from rhinecloud.people import Actor
from rhinecloud.web.forms import fields

from ..events.drafting import Wrong
from ..groups import reading as groups
from ..groups.model import Group
from ..moderation import hiding
from . import drafting, reading, showing, steps, writing
from .life import Step
from .reading import Proposal

_PICTURES: Final = Rules(kinds=tuple(kind for kind in Rules().kinds if kind.image), count=1, longest=2_048)
_REFUSED: Final = {
    "too-large": ("Das Bild ist zu groß.", "The picture is too large."),
    "kind": ("Nur Bilder (JPEG, PNG, WebP).", "Only pictures (JPEG, PNG, WebP)."),
    "content": ("Das Bild ist nicht lesbar.", "The picture cannot be read."),
}
_Act = Callable[[Actor, Proposal, dict[str, str]], Awaitable[str]]


async def new(city: City, request: Request) -> Response:
    """The form of a new proposal; `group` and `about` (an entity) may be given in the address."""
    asked = request.query_params
    group = await groups.by_name(city, asked.get("group", ""))
    given = {
        "group": str(group.number) if group is not None else "",
        "links": asked.get("about", "")[:300],
    }
    return await _form(city, request, given)


async def make(city: City, request: Request) -> Response:
    """Make it."""
    actor = _writer(city, request)
    given = await fields(request)
    try:
        draft = drafting.draft_of(given, await _titles(city))
        number = await writing.create(
            city, actor, draft, days=city.settings.answer_days, root=city.address(request)
        )
    except Wrong as wrong:
        return await _form(city, request, given, wrong=wrong)
    return RedirectResponse(f"/participation/proposals/{number}?done=made", 303)


async def paper(city: City, request: Request) -> Response:
    """The form of a proposal that came on paper."""
    return await _form(city, request, {}, paper=True)


async def enter(city: City, request: Request) -> Response:
    """Enter it for somebody without an account."""
    given = await fields(request)
    try:
        draft = drafting.draft_of(given, await _titles(city))
        mail = drafting.mail("mail", given.get("mail", ""))
        number = await writing.create(
            city,
            city.people.who(request),
            draft,
            days=city.settings.answer_days,
            root=city.address(request),
            offline=(draft.name, "named" in given and bool(draft.name), mail),
        )
    except Wrong as wrong:
        return await _form(city, request, given, paper=True, wrong=wrong)
    return RedirectResponse(f"/participation/proposals/{number}?done=made", 303)


async def support(city: City, request: Request) -> Response:
    """Support a proposal, or take it back."""

    async def act(actor: Actor, proposal: Proposal, given: dict[str, str]) -> str:
        wanted = given.get("support") != "no"
        await writing.support(city, actor, proposal.number, wanted)
        return "?done=supported" if wanted else "?done=unsupported"

    return await _act(city, request, act)


async def comment(city: City, request: Request) -> Response:
    """Write a comment."""

    async def act(actor: Actor, proposal: Proposal, given: dict[str, str]) -> str:
        return f"?done=commented#comment-{await writing.comment(city, actor, proposal.number, given)}"

    return await _act(city, request, act)


async def amending(city: City, request: Request) -> Response:
    """The form of an amendment: the text as it is, to be changed."""
    proposal = await showing.found(city, request)
    await _not_hidden(city, proposal)
    return _amendment(city, request, proposal, {"title": proposal.title, "text": proposal.text})


async def amend(city: City, request: Request) -> Response:
    """Offer it to the authors."""
    proposal = await showing.found(city, request)
    await _not_hidden(city, proposal)
    given = await fields(request)
    try:
        await writing.offer(city, _writer(city, request), proposal.number, given, city.address(request))
    except Wrong as wrong:
        return _amendment(city, request, proposal, given, wrong)
    return RedirectResponse(f"{proposal.path}?done=offered#amendments", 303)


async def decide(city: City, request: Request) -> Response:
    """An author takes an amendment, or does not; for authors without an account staff does."""

    async def act(actor: Actor, proposal: Proposal, given: dict[str, str]) -> str:
        authors = await reading.authors(city, proposal.number)
        offline = all(author.actor is None for author in authors)
        if not showing.is_author(actor, authors) and not (offline and actor.may(showing.ORGANISE)):
            raise HTTPException(403)
        if given.get("decision") not in ("take", "refuse"):
            raise HTTPException(422)
        taken = given["decision"] == "take"
        amendment = request.path_params["amendment"]
        if amendment >= 2**63:
            raise HTTPException(404)
        await writing.decide(city, actor, proposal.number, amendment, taken, city.address(request))
        return f"?done={'taken' if taken else 'refused'}#amendments"

    return await _act(city, request, act)


async def add_picture(city: City, request: Request) -> Response:
    """An author adds a picture; staff does for paper."""
    proposal = await showing.found(city, request)
    actor = await _owner(city, request, proposal)
    given: Mapping[str, str] = {}
    try:
        form = await city.files.receive(request, _PICTURES)
        given = form.fields
        upload = next(iter(form.uploads.get("photo", [])), None)
        await writing.add_picture(city, actor, proposal.number, upload, given.get("description", ""))
    except Refused as refused:
        text = _REFUSED.get(refused.reason, ("Das Bild kam nicht an.", "The picture did not arrive."))
        return await showing.page(
            city, request, proposal, wrong=Wrong("photo", text), given=given, status=refused.status
        )
    except Wrong as wrong:
        return await showing.page(city, request, proposal, wrong=wrong, given=given)
    return RedirectResponse(f"{proposal.path}?done=picture#pictures", 303)


async def remove_picture(city: City, request: Request) -> Response:
    """An author takes a picture away."""
    proposal = await showing.found(city, request)
    actor = await _owner(city, request, proposal)
    try:
        await writing.remove_picture(city, actor, proposal.number, UUID(request.path_params["file"]))
    except (ValueError, steps.Gone) as error:
        raise HTTPException(404) from error
    return RedirectResponse(f"{proposal.path}?done=removed#pictures", 303)


async def step(city: City, request: Request) -> Response:
    """Staff says what becomes of it."""

    async def act(actor: Actor, proposal: Proposal, given: dict[str, str]) -> str:
        kind = next((one for one in Step if one.value == given.get("step")), None)
        if kind is None:
            raise Wrong("step", ("Bitte wählen Sie etwas aus.", "Please choose something."))
        said = steps.said_of(given, kind)
        await steps.take(city, actor, proposal.number, kind, said, city.address(request))
        return "?done=step#trail"

    return await _act(city, request, act)


async def merge(city: City, request: Request) -> Response:
    """Staff merges it into another one."""

    async def act(actor: Actor, proposal: Proposal, given: dict[str, str]) -> str:
        number = given.get("into", "").strip().rpartition("/")[2].lstrip("#")
        into = int(number) if number.isdecimal() and number.isascii() and len(number) < 19 else 0
        said = steps.said_of({**given, "link": ""}, Step.MERGE)
        await steps.merge(city, actor, proposal.number, into, said, city.address(request))
        return "?done=merged#trail"

    return await _act(city, request, act)


async def _act(city: City, request: Request, act: _Act) -> Response:
    proposal = await showing.found(city, request)
    actor = city.people.who(request)
    if not showing.writes(actor):
        raise HTTPException(403)
    if not await showing.sees_hidden(city, actor, proposal.group):
        await _not_hidden(city, proposal)
    given = await fields(request)
    try:
        where = await act(actor, proposal, given)
    except Wrong as wrong:
        return await showing.page(city, request, proposal, wrong=wrong, given=given)
    except steps.Gone as error:
        raise HTTPException(404) from error
    return RedirectResponse(proposal.path + where, 303)


def _writer(city: City, request: Request) -> Actor:
    """Who writes. Raises HTTPException 403 for what is nobody's, a token, say."""
    actor = city.people.who(request)
    if not showing.writes(actor):
        raise HTTPException(403)
    return actor


async def _owner(city: City, request: Request, proposal: Proposal) -> Actor:
    actor = _writer(city, request)
    authors = await reading.authors(city, proposal.number)
    if not showing.is_author(actor, authors) and not (proposal.on_paper and actor.may(showing.ORGANISE)):
        raise HTTPException(403)
    return actor


async def _not_hidden(city: City, proposal: Proposal) -> None:
    if proposal.subject in await hiding.hidden(city, [proposal.subject]):
        raise HTTPException(404)


async def _open_groups(city: City) -> list[Group]:
    return [group for group in await groups.everything(city) if group.state != "over"]


async def _titles(city: City) -> dict[int, str]:
    return {group.number: group.title for group in await _open_groups(city)}


async def _form(
    city: City,
    request: Request,
    given: Mapping[str, str],
    *,
    paper: bool = False,
    wrong: Wrong | None = None,
) -> Response:
    return city.render(
        request,
        "participation/proposals/new.html",
        422 if wrong else 200,
        given=given,
        groups=await _open_groups(city),
        paper=paper,
        wrong=wrong,
        days=city.settings.answer_days,
    )


def _amendment(
    city: City,
    request: Request,
    proposal: Proposal,
    given: Mapping[str, str],
    wrong: Wrong | None = None,
) -> Response:
    return city.render(
        request,
        "participation/proposals/amend.html",
        422 if wrong else 200,
        proposal=proposal,
        given=given,
        wrong=wrong,
    )
