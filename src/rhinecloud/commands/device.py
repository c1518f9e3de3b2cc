"""Devices: add, look at and remove them, give them secrets, want states of them.

It speaks to the management API of a running city.
"""

from __future__ import annotations

import argparse
import os
from typing import Any

import msgspec

from rhinecloud.commands.city_api import ApiRefuses, CityApi, add_city, read_input, show, show_table


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """One command for each thing that one does with devices."""
    actions = parser.add_subparsers(dest="action", required=True, metavar="ACTION")

    def action(name: str, text: str, *, device: bool = True) -> argparse.ArgumentParser:
        one = actions.add_parser(name, help=text, description=text)
        if device:
            one.add_argument("device", metavar="ID", help="id of the device")
        add_city(one)
        return one

    add = action("add", "add a device; with --secret it can sign in at once")
    _add_members(add)
    add.add_argument("--type", required=True, metavar="TYPE", help="type of the entity it speaks of")
    add.add_argument("--secret", action="store_true", help="issue a secret and print it, this once")

    change = action("change", "change a device; what is not said stays")
    _add_members(change)
    change.add_argument("--type", metavar="TYPE", help="type of the entity it speaks of")
    change.add_argument(
        "--enabled",
        action=argparse.BooleanOptionalAction,
        default=None,
        help="whether it may sign in; --no-enabled ends its connections",
    )

    listing = action("list", "devices in the order of their ids", device=False)
    listing.add_argument("--search", metavar="TEXT", help="part of the id, the name or the entity's id")
    listing.add_argument("--type", metavar="TYPE", help="of one entity type")
    listing.add_argument("--profile", metavar="NAME", help="of one profile")
    listing.add_argument("--limit", type=int, default=100, metavar="N", help="how many [%(default)s]")

    action("show", "a device: topics, secrets, alarms, what is wanted of it")
    action("remove", "forget a device and its secrets; its entity stays")

    secret = action("secret", "issue one more secret and print it, this once")
    secret.add_argument("--note", default="", metavar="TEXT", help="what it is for")
    secret.add_argument(
        "--expires", metavar="TIME", help="until when it is valid, as in 2026-12-31T12:00:00Z"
    )

    revoke = action("revoke", "revoke a secret and end the connections of the device")
    chosen = revoke.add_mutually_exclusive_group(required=True)
    chosen.add_argument("--secret", metavar="NUMBER", help="its number, as `show` prints it")
    chosen.add_argument("--all", action="store_true", help="every secret of the device")

    want = action("want", "want a state of a device")
    want.add_argument(
        "values", nargs="+", metavar="NAME=VALUE", help="values are JSON, or text where they are not"
    )
    want.add_argument(
        "--timeout",
        type=float,
        default=86_400.0,
        metavar="SECONDS",
        help="given up after so long [%(default)s]",
    )

    bring = action("import", "add many devices from a list; a second time changes nothing", device=False)
    bring.add_argument("file", metavar="FILE", help="CSV or JSON, or - for what is piped in")
    bring.add_argument(
        "--secrets", metavar="FILE", help="issue a secret for each new device, written here as CSV"
    )


def run(arguments: argparse.Namespace) -> int:
    """Do it; 0 when all of it was done."""
    with CityApi(arguments) as city:
        done: int = _ACTIONS[arguments.action](city, arguments) or 0
        return done


def _add_members(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--profile", metavar="NAME", help="how its messages are read [plain-json]")
    parser.add_argument("--name", metavar="TEXT", help="a name for people")
    parser.add_argument(
        "--entity", metavar="URN", help="entity it speaks of, if not the one that its profile makes"
    )
    parser.add_argument(
        "--publish",
        action="append",
        metavar="FILTER",
        help="topic besides those of its profile; may be repeated",
    )
    parser.add_argument(
        "--subscribe",
        action="append",
        metavar="FILTER",
        help="topic besides those of its profile; may be repeated",
    )
    parser.add_argument(
        "--level",
        action="append",
        metavar="NAME=LEVEL",
        help="a level that its profile's topics name; repeatable",
    )


def _members(arguments: argparse.Namespace) -> dict[str, Any]:
    members = {
        "type": arguments.type,
        "profile": arguments.profile,
        "name": arguments.name,
        "entity_id": arguments.entity,
        "publish": arguments.publish,
        "subscribe": arguments.subscribe,
    }
    if arguments.level:
        members["detail"] = {"levels": dict(_pair(level) for level in arguments.level)}
    return {name: value for name, value in members.items() if value is not None}


def _pair(text: str) -> tuple[str, str]:
    name, sign, value = text.partition("=")
    if not name or not sign:
        raise ApiRefuses(f"{text!r} is not of the form NAME=VALUE")
    return name, value


def _add(city: CityApi, arguments: argparse.Namespace) -> None:
    device = city.ask("POST", "devices", document={"id": arguments.device, **_members(arguments)})
    secret = city.ask("POST", "devices", arguments.device, "secrets") if arguments.secret else None
    if arguments.json:
        show({"device": device, "secret": secret})
        return
    print(f"Added {device['id']}, which speaks of {device['entity_id']}.")
    for word, topics in (
        ("publishes to", device["topics"]["publish"]),
        ("hears", device["topics"]["subscribe"]),
    ):
        for topic in topics:
            print(f"  {word} {topic}")
    if secret is not None:
        _print_secret(secret)


def _change(city: CityApi, arguments: argparse.Namespace) -> None:
    changes = _members(arguments)
    if arguments.enabled is not None:
        changes["enabled"] = arguments.enabled
    if not changes:
        raise ApiRefuses("Say what is to be changed.")
    device = city.ask("PATCH", "devices", arguments.device, document=changes)
    if arguments.json:
        show(device)
    else:
        print(f"Changed {device['id']}.")


def _list(city: CityApi, arguments: argparse.Namespace) -> None:
    found: list[dict[str, Any]] = []
    after = None
    while len(found) < arguments.limit:
        page = city.ask(
            "GET",
            "devices",
            after=after,
            limit=min(1_000, arguments.limit - len(found)),
            search=arguments.search,
            type=arguments.type,
            profile=arguments.profile,
        )
        found += page["items"]
        after = page["next"]
        if after is None:
            break
    if arguments.json:
        show(found)
    elif found:
        rows = [["ID", "TYPE", "PROFILE", "SEEN", "NAME"]]
        rows += [
            [one["id"], one["type"], one["profile"], one["seen_at"] or "never", one["name"]] for one in found
        ]
        show_table(rows)
        if after is not None:
            print("There are more: --limit, --search.")
    else:
        print("There is no such device.")


def _show(city: CityApi, arguments: argparse.Namespace) -> None:
    name = arguments.device
    device = city.ask("GET", "devices", name)
    secrets = city.ask("GET", "devices", name, "secrets")["items"]
    alarms = city.ask("GET", "alarms", device=name)["items"]
    wanted = city.ask("GET", "devices", name, "wanted", limit=5)["items"]
    if arguments.json:
        show({"device": device, "secrets": secrets, "alarms": alarms, "wanted": wanted})
        return
    print(f"{device['id']}  {device['name']}".rstrip() + ("" if device["enabled"] else "  (may not sign in)"))
    print(
        f"  entity   {device['entity_id']}\n  profile  {device['profile']}\n  seen     {device['seen_at'] or 'never'}"
    )
    for word, topics in (("says", device["topics"]["publish"]), ("hears", device["topics"]["subscribe"])):
        for topic in topics:
            print(f"  {word:<8} {topic}")
    for one in secrets:
        until = f", until {one['expires_at']}" if one["expires_at"] else ""
        print(f"  secret   {one['id']} {one['note']} (used {one['last_used_at'] or 'never'}{until})")
    for one in alarms:
        print(f"  alarm    {one['kind']} × {one['times']}, last {one['last_at']}: {_brief(one['detail'])}")
    for one in wanted:
        said = (one.get("detail") or {}).get("said")
        print(
            f"  wanted   {one['version']} {_brief(one['set'])} {one['state']}"
            f" {one['ended_at'] or one['sent_at'] or one['created_at']}" + (f": {said}" if said else "")
        )


def _brief(document: Any) -> str:
    return msgspec.json.encode(document).decode()


def _remove(city: CityApi, arguments: argparse.Namespace) -> None:
    city.ask("DELETE", "devices", arguments.device)
    print(f"Removed {arguments.device}.")


def _secret(city: CityApi, arguments: argparse.Namespace) -> None:
    asked: dict[str, Any] = {"note": arguments.note}
    if arguments.expires:
        asked["expires_at"] = arguments.expires
    secret = city.ask("POST", "devices", arguments.device, "secrets", document=asked)
    if arguments.json:
        show(secret)
    else:
        _print_secret(secret)


def _print_secret(secret: dict[str, Any]) -> None:
    print(f"Secret {secret['id']} of {secret['device']}, shown this once:\n{secret['secret']}")


def _revoke(city: CityApi, arguments: argparse.Namespace) -> None:
    number = () if arguments.all else (arguments.secret,)
    city.ask("DELETE", "devices", arguments.device, "secrets", *number)
    print("Revoked.")


def _want(city: CityApi, arguments: argparse.Namespace) -> None:
    values: dict[str, Any] = {}
    for text in arguments.values:
        name, value = _pair(text)
        try:
            values[name] = msgspec.json.decode(value)
        except msgspec.DecodeError:
            values[name] = value
    wanted = city.ask(
        "POST",
        "devices",
        arguments.device,
        "wanted",
        document={"set": values, "timeout_seconds": arguments.timeout},
    )
    if arguments.json:
        show(wanted)
    else:
        print(
            f"Wanted of {arguments.device}, version {wanted['version']}; `device show` says what became of it."
        )


def _import(city: CityApi, arguments: argparse.Namespace) -> int:
    content = read_input(arguments.file)
    media_type = "application/json" if content.lstrip()[:1] == b"[" else "text/csv"
    outcome = city.ask(
        "POST",
        "devices",
        "import",
        content=content,
        media_type=media_type,
        secrets="true" if arguments.secrets else None,
    )
    if arguments.secrets:
        _write_secrets(arguments.secrets, outcome.pop("secrets"))
    if arguments.json:
        show(outcome)
    else:
        print(f"{outcome['added']:,} devices added, {len(outcome['existing']):,} were there.")
        for problem in outcome["problems"]:
            print(f"  line {problem['line']}: {problem['detail']}")
    return 1 if outcome["problems"] else 0


def _write_secrets(name: str, secrets: dict[str, str]) -> None:
    """For the owner's eyes only, and never over another list."""
    try:
        with os.fdopen(os.open(name, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "w") as target:
            target.write("id,secret\n")
            target.writelines(f"{device},{secret}\n" for device, secret in secrets.items())
    except OSError as error:
        raise ApiRefuses(
            f"The devices are there, but their secrets were not written to {name} ({error.strerror}); "
            "issue others with `device secret`."
        ) from None


_ACTIONS = {
    "add": _add,
    "change": _change,
    "list": _list,
    "show": _show,
    "remove": _remove,
    "secret": _secret,
    "revoke": _revoke,
    "want": _want,
    "import": _import,
}
