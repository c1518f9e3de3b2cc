"""Settings as options of a command line: every setting can be a flag of the same name."""

from __future__ import annotations

import argparse
from collections.abc import Iterable, Mapping
from typing import Any, get_type_hints

from rhinecloud.settings import ENVIRONMENT_PREFIX, Settings, descriptions, load


def add_settings(
    parser: argparse._ActionsContainer,
    names: Iterable[str] | None = None,
    said: Mapping[str, str] | None = None,
) -> None:
    """Add a flag for each named setting, or for all of them; `said` is how a command itself describes some."""
    kinds = get_type_hints(Settings)
    texts = {**descriptions(), **(said or {})}
    for name in Settings.__struct_fields__ if names is None else names:
        flag = "--" + name.replace("_", "-")
        text = f"{texts[name]} [{ENVIRONMENT_PREFIX}{name.upper()}]".replace("%", "%%")
        if kinds[name] is bool:
            parser.add_argument(
                flag, dest=name, action=argparse.BooleanOptionalAction, default=None, help=text
            )
        else:
            parser.add_argument(flag, dest=name, metavar=name.split("_")[-1].upper(), default=None, help=text)


def settings_from(arguments: argparse.Namespace, **defaults: Any) -> Settings:
    """Settings from flags and environment; then `defaults`. Raises SettingsError."""
    return load(
        {name: value for name, value in vars(arguments).items() if name in Settings.__struct_fields__},
        defaults=defaults,
    )


def reference_of_settings() -> list[str]:
    """The rows of the table in docs/reference/settings.md; `python -m rhinecloud.commands.options` prints them."""
    defaults = Settings()
    rows = []
    for name, text in descriptions().items():
        default = getattr(defaults, name)
        value = str(default).lower() if isinstance(default, bool) else default
        shown = "see text" if name == "data" else f"`{value}`" if value not in (None, "") else ""
        rows.append(
            f"| `{ENVIRONMENT_PREFIX}{name.upper()}` | `--{name.replace('_', '-')}` | {shown} | {text} |"
        )
    return rows


if __name__ == "__main__":
    print("\n".join(reference_of_settings()))
