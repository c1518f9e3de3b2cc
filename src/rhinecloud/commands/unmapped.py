"""Messages that could not be mapped: look at them, replay them when the profile is mended, discard them.

It speaks to the management API of a running city.
"""

from __future__ import annotations

import argparse
from typing import Any

from rhinecloud.commands.city_api import CityApi, add_city, show, show_table


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """One command for each thing that one does with them."""
    actions = parser.add_subparsers(dest="action", required=True, metavar="ACTION")

    def action(name: str, text: str) -> argparse.ArgumentParser:
        one = actions.add_parser(name, help=text, description=text)
        add_city(one)
        return one

    listing = action("list", "groups of kept messages; with a filter the messages themselves")
    _add_filter(listing)
    listing.add_argument("--limit", type=int, default=50, metavar="N", help="how many messages [%(default)s]")
    look = action("show", "a kept message with its payload")
    look.add_argument("number", metavar="NUMBER", help="its number")
    replay = action("replay", "map kept messages anew: those of the numbers, or all that the filter meets")
    replay.add_argument("numbers", nargs="*", type=int, metavar="NUMBER", help="numbers of messages")
    _add_filter(replay)
    replay.add_argument("--all", action="store_true", help="every kept message")
    replay.add_argument(
        "--clock", choices=("device", "arrival"), default="device", help="whose time counts [%(default)s]"
    )
    discard = action("discard", "delete kept messages for good")
    discard.add_argument("numbers", nargs="+", type=int, metavar="NUMBER", help="numbers of messages")


def run(arguments: argparse.Namespace) -> int:
    """Do it; 0 when it was done, 1 when some still cannot be mapped."""
    with CityApi(arguments) as city:
        done: int = _ACTIONS[arguments.action](city, arguments) or 0
        return done


def _add_filter(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--kind", metavar="KIND", help="topic, payload, clock, refused or flood")
    parser.add_argument("--profile", metavar="NAME", help="of one profile")
    parser.add_argument("--topic", metavar="FILTER", help="an MQTT topic filter")
    parser.add_argument("--device", metavar="ID", help="of one device")


def _filter(arguments: argparse.Namespace) -> dict[str, Any]:
    members = {name: getattr(arguments, name) for name in ("kind", "profile", "topic", "device")}
    return {name: value for name, value in members.items() if value is not None}


def _list(city: CityApi, arguments: argparse.Namespace) -> None:
    chosen = _filter(arguments)
    if not chosen:
        groups = city.ask("GET", "unmapped", "groups")["items"]
        if arguments.json:
            show(groups)
        elif not groups:
            print("Every message was mapped.")
        else:
            rows = [["COUNT", "KIND", "PROFILE", "TOPIC", "REASON"]]
            rows += [
                [str(one["count"]), one["kind"], one["profile"] or "-", one["topic"], one["reason"]]
                for one in groups
            ]
            show_table(rows)
        return
    found = city.ask("GET", "unmapped", limit=arguments.limit, **chosen)["items"]
    if arguments.json:
        show(found)
    elif found:
        rows = [["NUMBER", "ARRIVED", "KIND", "TOPIC", "REASON"]]
        rows += [[str(one["id"]), one["arrived"], one["kind"], one["topic"], one["reason"]] for one in found]
        show_table(rows)
    else:
        print("No such message is kept.")


def _show(city: CityApi, arguments: argparse.Namespace) -> None:
    kept = city.ask("GET", "unmapped", arguments.number)
    if arguments.json:
        show(kept)
        return
    for name in ("arrived", "source", "topic", "kind", "profile", "device", "reason"):
        print(f"{name:<8} {kept[name] or '-'}")
    print(kept["payload"] if kept["payload"] is not None else f"(base64) {kept['payload_base64']}")


def _replay(city: CityApi, arguments: argparse.Namespace) -> int:
    replayed = city.ask(
        "POST",
        "unmapped",
        "replay",
        document={
            "ids": arguments.numbers or None,
            "all": arguments.all,
            "clock": arguments.clock,
            **_filter(arguments),
        },
    )
    if arguments.json:
        show(replayed)
    else:
        mapped, still = replayed["mapped"], replayed["still"]
        print(f"{mapped:,} message{'' if mapped == 1 else 's'} mapped, {still:,} still cannot be.")
        if still:
            print("Why not: `rhinecloud unmapped list`.")
    return 1 if replayed["still"] else 0


def _discard(city: CityApi, arguments: argparse.Namespace) -> None:
    discarded = city.ask("POST", "unmapped", "discard", document={"ids": arguments.numbers})["discarded"]
    print(f"{discarded:,} messages discarded.")


_ACTIONS = {"list": _list, "show": _show, "replay": _replay, "discard": _discard}
