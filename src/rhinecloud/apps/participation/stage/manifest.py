"""What phones, stage and results add to the app."""

from __future__ import annotations

from typing import Final

from rhinecloud.app import PUBLIC, Page, View

from ..joining.here import known
from . import how, phone, questions, results, stage

_CODE: Final = "/e/{code}"
_ALL: Final = PUBLIC.name

PAGES: Final = (
    Page(_CODE, phone.show, _ALL),
    Page(f"{_CODE}/own", phone.own, _ALL),
    Page(f"{_CODE}/vote", phone.vote, _ALL, "POST", known=known),
    Page(f"{_CODE}/questions", questions.ask, _ALL, "POST", known=known),
    Page(f"{_CODE}/questions/{{number:int}}/support", questions.support, _ALL, "POST", known=known),
    Page(f"{_CODE}/stage", stage.show, _ALL),
    Page(f"{_CODE}/results", results.show, _ALL),
    Page(f"{_CODE}/results.csv", results.as_csv, _ALL),
    Page(f"{_CODE}/results.json", results.as_json, _ALL),
    Page(f"{_CODE}/results.svg", results.as_picture, _ALL),
    Page(f"{_CODE}/how", how.show, _ALL),
)

VIEWS: Final = (
    View("/phone/{code}", phone.now, _ALL),
    View("/stage/{code}", stage.now, _ALL),
)
