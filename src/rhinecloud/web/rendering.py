"""Templates in the shell, in the reader's language and theme."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any
from urllib.parse import quote

import jinja2
import msgspec
from markupsafe import Markup
from starlette.requests import Request
from starlette.responses import HTMLResponse

from rhinecloud.people.legal import PAGES

from . import language as languages
from .assets import Assets
from .language import LANGUAGES, NAMES, Language
from .names import local_part, short
from .navigation import Navigation
from .sight import actor_of

TEMPLATES = Path(__file__).parent / "templates"
THEMES = ("light", "dark", "system")
THEME_COOKIE = "rc_theme"
_YEAR = 31_536_000


class Renderer:
    """Renders pages and their parts. `folders` with templates and `catalogues` with texts are an app's, looked through
    before the shell's own."""

    def __init__(
        self,
        assets: Assets,
        city_name: str = "Duisburg",
        time_zone: str = "Europe/Berlin",
        navigation: Navigation | None = None,
        folders: Sequence[Path] = (),
        catalogues: Sequence[Path] = (),
        static: Callable[[str], str] | None = None,
    ) -> None:
        self._shared = (assets, city_name, time_zone, navigation)
        zone = languages.zone(time_zone)
        self._languages = {code: Language(code, zone, tuple(catalogues)) for code in LANGUAGES}
        self._environments = {
            code: self._environment(spoken, assets, city_name, folders)
            for code, spoken in self._languages.items()
        }
        if static is not None:
            for environment in self._environments.values():
                environment.globals["static"] = static
        self._navigation = navigation or Navigation()

    def beside(self, templates: Path, catalogue: Path, static: Callable[[str], str]) -> Renderer:
        """One for an app: its templates and texts in the same shell; `static` gives the addresses of its own files."""
        return Renderer(*self._shared, [templates], [catalogue], static)

    def language(self, code: str) -> Language:
        """The language of a code of `LANGUAGES`."""
        return self._languages[code]

    def of(self, request: Request) -> Language:
        """The language of who asks."""
        return self._languages[languages.choose(request)]

    def part(self, template: str, code: str, /, **values: Any) -> str:
        """A piece of a page, the same for all who read this language."""
        return self._environments[code].get_template(template).render(**values)

    def page(self, request: Request, template: str, status: int = 200, /, **values: Any) -> HTMLResponse:
        """A page, or only its part if the template is one; keeps the choice of language and theme if one is made."""
        code = languages.choose(request)
        theme = _theme(request)
        actor = actor_of(request)
        navigation = self._navigation.of(actor, request.url.path)
        values.update(
            request=request,
            path=request.url.path,
            actor=actor,
            navigation=navigation,
            inner=next((place.items for place in navigation if place.current), ()),
            back=quote(str(request.url.replace(scheme="", netloc="")), safe=""),
            theme=theme,
            wall=request.query_params.get("wall") == "1" or request.url.path == "/wall",
            languages=[(other, NAMES[other], _with(request, "lang", other)) for other in LANGUAGES],
            themes=[(other, _with(request, "theme", other)) for other in THEMES],
        )
        response = HTMLResponse(
            self.part(template, code, **values),
            status,
            {"Content-Language": code, "Vary": "Accept-Language, Cookie", "Cache-Control": "no-store"},
        )
        for name, chosen, known in (
            (languages.COOKIE, request.query_params.get("lang"), LANGUAGES),
            (THEME_COOKIE, request.query_params.get("theme"), THEMES),
        ):
            if chosen in known:
                response.set_cookie(name, str(chosen), max_age=_YEAR, httponly=True, samesite="lax", path="/")
        return response

    @staticmethod
    def _environment(
        spoken: Language, assets: Assets, city_name: str, folders: Sequence[Path]
    ) -> jinja2.Environment:
        environment = jinja2.Environment(
            loader=jinja2.FileSystemLoader([*folders, TEMPLATES]),
            autoescape=True,
            undefined=jinja2.StrictUndefined,
            trim_blocks=True,
            lstrip_blocks=True,
            extensions=["jinja2.ext.i18n"],
        )
        environment.install_gettext_callables(spoken.gettext, spoken.ngettext, newstyle=True)  # type: ignore[attr-defined]
        environment.filters.update(
            number=spoken.number,
            moment=spoken.moment,
            day=spoken.day,
            span=spoken.span,
            size=spoken.size,
            label=spoken.pick,
            short=short,
            local=local_part,
            segment=lambda text: quote(text, safe=":"),
            json=lambda value: Markup(_safe_json(value)),
            pair=lambda one: (one, one),
            opening=lambda text: text[:1].upper() + text[1:],
            plain=lambda value: msgspec.json.encode(value, enc_hook=str).decode(),
        )
        environment.globals.update(
            legal_pages=PAGES, assets=assets, lang=spoken.code, locale=spoken.locale, city_name=city_name
        )
        return environment


def _theme(request: Request) -> str:
    for wish in (request.query_params.get("theme"), request.cookies.get(THEME_COOKIE)):
        if wish in THEMES:
            return wish
    return "system"


def _with(request: Request, name: str, value: str) -> str:
    return str(request.url.include_query_params(**{name: value}).replace(scheme="", netloc="")) or "/"


def _safe_json(value: Any) -> str:
    """JSON that may stand inside of a script element."""
    return msgspec.json.encode(value, enc_hook=str).decode().replace("<", "\\u003c")


__all__ = ["Renderer"]
