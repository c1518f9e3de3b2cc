"""Numbered parameters of a statement that is put together."""

from __future__ import annotations

from typing import Any


class Parameters:
    """Collects values and gives each its placeholder."""

    def __init__(self) -> None:
        self.values: list[Any] = []

    def add(self, value: Any) -> str:
        """The placeholder ($1, $2, …) that stands for the value."""
        self.values.append(value)
        return f"${len(self.values)}"
