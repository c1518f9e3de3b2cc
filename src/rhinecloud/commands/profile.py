"""Device profiles: look at them, try them on a message, write the city's own.

It speaks to the management API of a running city.
"""

from __future__ import annotations

import argparse
import base64
from typing import Any

from rhinecloud.commands.city_api import CityApi, add_city, read_document, read_input, show, show_table


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """One command for each thing that one does with profiles."""
    actions = parser.add_subparsers(dest="action", required=True, metavar="ACTION")

    def action(name: str, text: str) -> argparse.ArgumentParser:
        one = actions.add_parser(name, help=text, description=text)
        add_city(one)
        return one

    action("list", "all profiles")
    look = action("show", "print the document of a profile")
    look.add_argument("name", metavar="NAME", help="name of the profile")
    attempt = action("try", "what a profile makes of a message; nothing is written")
    attempt.add_argument(
        "payload", metavar="PAYLOAD", help="file with the payload, or - for what is piped in"
    )
    attempt.add_argument("--topic", required=True, metavar="TOPIC", help="topic of the message")
    chosen = attempt.add_mutually_exclusive_group()
    chosen.add_argument("--profile", metavar="NAME", help="a profile; without it the one that has the topic")
    chosen.add_argument("--document", metavar="FILE", help="a profile that is not saved yet")
    save = action("save", "write a profile of the city's own")
    save.add_argument("file", metavar="FILE", help="its document, or - for what is piped in")
    delete = action("delete", "delete a profile of the city's own")
    delete.add_argument("name", metavar="NAME", help="name of the profile")


def run(arguments: argparse.Namespace) -> int:
    """Do it; 0 when it was done, 1 when a message that was tried cannot be mapped."""
    with CityApi(arguments) as city:
        done: int = _ACTIONS[arguments.action](city, arguments) or 0
        return done


def _list(city: CityApi, arguments: argparse.Namespace) -> None:
    found = city.ask("GET", "profiles")["items"]
    if arguments.json:
        show(found)
        return
    rows = [["NAME", "OF", "DEVICES", "TITLE"]]
    for one in found:
        title = one["title"].get("en") or next(iter(one["title"].values()), "")
        rows.append(
            [one["name"], "the program" if one["built_in"] else "the city", str(one["devices"]), title]
        )
    show_table(rows)


def _show(city: CityApi, arguments: argparse.Namespace) -> None:
    show(city.ask("GET", "profiles", arguments.name)["document"])


def _try(city: CityApi, arguments: argparse.Namespace) -> int:
    profile: Any = arguments.profile
    if arguments.document is not None:
        profile = read_document(arguments.document)
    payload = base64.b64encode(read_input(arguments.payload)).decode()
    trial = city.ask(
        "POST",
        "profiles",
        "try",
        document={"topic": arguments.topic, "profile": profile, "payload_base64": payload},
    )
    if arguments.json:
        show(trial)
    else:
        for problem in trial["problems"]:
            print(f"{problem['field'] or 'message'}: {problem['detail']}")
        for entity in trial["entities"]:
            show(entity)
        for one in trial["confirmations"]:
            version = "what is reported" if one["version"] is None else f"version {one['version']}"
            print(f"{one['device']} confirms {version}: {one['result']} {one['detail']}".rstrip())
    return 1 if trial["problems"] else 0


def _save(city: CityApi, arguments: argparse.Namespace) -> int:
    document = read_document(arguments.file)
    name = document.get("name") if isinstance(document, dict) else None
    if not isinstance(name, str) or not name:
        print("The document has no name.")
        return 1
    saved = city.ask("PUT", "profiles", name, document=document)
    if arguments.json:
        show(saved)
    else:
        print(f"Saved {name}. What was kept as unmapped: `rhinecloud unmapped replay`.")
    return 0


def _delete(city: CityApi, arguments: argparse.Namespace) -> None:
    city.ask("DELETE", "profiles", arguments.name)
    print(f"Deleted {arguments.name}.")


_ACTIONS = {"list": _list, "show": _show, "try": _try, "save": _save, "delete": _delete}
