"""The app as the house sees it."""

from __future__ import annotations

from argparse import Namespace
from typing import Final

from rhinecloud.app import App, Attempt, Command, Endpoint, Job, Page, Permission, PersonalData, Place
from rhinecloud.city import City
from rhinecloud.people.register import Activity, Column, Keep, Retention, Table

from . import api, notices, pages

EDIT: Final = Permission("noticeboard.edit", "Aushänge anbringen und abnehmen", "post and withdraw notices")


async def _expire(city: City, payload: None, attempt: Attempt) -> None:
    await notices.withdraw_expired(city)


async def _withdraw_expired(city: City, arguments: Namespace) -> None:
    print(f"{await notices.withdraw_expired(city)} notices are withdrawn.")


_NOTICES: Final = Table(
    "notice",
    text=("Aushänge", "notices"),
    columns=(Column("author", ("angebracht von", "posted by")),),
    impersonal=("number", "title", "text", "until", "posted_at", "withdrawn_at"),
    found={"actor": "author"},
    retention=Retention(("ein Jahr nach dem Abnehmen", "a year after withdrawal"), "withdrawn_at", 365),
    erasure=Keep(
        (
            "Wer amtlich bekannt macht, wird ein Jahr lang nachgewiesen",
            "who announced it is on record for a year",
        )
    ),
)

app: Final = App(
    name="noticeboard",
    package=__package__,
    title=("Aushang", "Notices"),
    permissions=(EDIT,),
    granted={"editor": (EDIT.name,)},
    pages=(
        Page("", pages.board, "public"),
        Page("/new", pages.form, EDIT.name),
        Page("/new", pages.post, EDIT.name, "POST"),
        Page("/{number:int}/withdraw", pages.withdraw, EDIT.name, "POST"),
    ),
    endpoints=(Endpoint("", api.hanging, "public"),),
    places=(Place(("Aushang", "Notices"), "public", order=90),),
    jobs=(Job("expire", _expire, None, cron="5 0 * * *"),),
    commands=(
        Command("withdraw-expired", "take down what has hung to the end of its last day", _withdraw_expired),
    ),
    personal_data=PersonalData(
        activities=(
            Activity(
                key="notices",
                title=("Aushang", "Notices"),
                purpose=("bekannt machen, was alle angeht", "announce what concerns everybody"),
                ground="e",
                provision="Art. 6 Abs. 1 Buchst. e DSGVO",
                subjects=("Redaktion der Stadt", "the city's editors"),
                holdings=(_NOTICES,),
            ),
        )
    ),
)
