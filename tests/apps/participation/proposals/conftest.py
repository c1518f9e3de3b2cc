"""A city with sign-in and mail, and what people do with proposals in it."""

from __future__ import annotations

from ..moderation.conftest import town

__all__ = ["town"]
