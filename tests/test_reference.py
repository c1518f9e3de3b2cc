"""The reference pages say what there is: every setting, every command, every option."""

from __future__ import annotations

import argparse
from pathlib import Path

import pytest

from rhinecloud.app import Command
from rhinecloud.cli import COMMANDS, parser_for
from rhinecloud.commands import of_app
from rhinecloud.commands.options import reference_of_settings
from rhinecloud.hosting import find
from rhinecloud.observing.metrics import reference as reference_of_metrics
from rhinecloud.settings import Settings, descriptions, from_json, to_json

REFERENCE = Path(__file__).parent.parent / "docs" / "reference"


def test_every_setting_is_documented_as_it_is() -> None:
    text = (REFERENCE / "settings.md").read_text()
    missing = [line for line in reference_of_settings() if line not in text]
    assert not missing, "docs/reference/settings.md misses:\n" + "\n".join(missing)
    assert all(descriptions().values())


def test_every_metric_is_documented_as_it_is() -> None:
    text = (REFERENCE / "metrics.md").read_text()
    missing = [line for line in reference_of_metrics() if line not in text]
    assert not missing, "docs/reference/metrics.md misses:\n" + "\n".join(missing)


@pytest.mark.parametrize("name", COMMANDS)
def test_every_command_and_option_is_documented(name: str) -> None:
    documented(name, parser_for(name))


def of_our_apps() -> list[tuple[str, Command]]:
    """The commands of the apps that come with the program."""
    ours = [found.app for found in find() if found.app and found.distribution == "rhinecloud"]
    assert ours
    return [(app.name, command) for app in ours for command in app.commands]


@pytest.mark.parametrize(("app", "command"), of_our_apps(), ids=lambda one: getattr(one, "name", one))
def test_every_command_of_an_app_is_documented(app: str, command: Command) -> None:
    parser = of_app.parser_for(app, command)
    documented(parser.prog.removeprefix("rhinecloud "), parser)


def documented(name: str, parser: argparse.ArgumentParser) -> None:
    text = (REFERENCE / "commands.md").read_text()
    start = text.find(f"\n## rhinecloud {name}\n")
    assert start >= 0, f"docs/reference/commands.md has no section 'rhinecloud {name}'"
    end = text.find("\n## ", start + 1)
    section = text[start : end if end > 0 else len(text)]
    settings = {*Settings.__struct_fields__}
    parsers = [parser]
    for parser in parsers:
        for action in parser._actions:
            if isinstance(action, argparse._HelpAction) or (
                action.dest in settings and "settings" in section
            ):
                continue
            if isinstance(action, argparse._SubParsersAction):
                parsers += action.choices.values()
                missing = [one for one in action.choices if f"`{one}" not in section]
                assert not missing, f"rhinecloud {name}: the actions {missing} are not documented"
            words = action.option_strings or [str(action.metavar or ""), action.dest.upper()]
            found = any(f"`{word}" in section or f" {word}" in section for word in words if word)
            assert found, f"rhinecloud {name}: {words} is not documented"


def test_settings_survive_the_way_to_a_worker() -> None:
    settings = Settings(data=Path("/tmp/x"), workers=3, context_preload=Path("/tmp/y"), open=True)
    assert from_json(to_json(settings)) == settings
