"""A city with sign-in and mail, as the tests of moderation have it."""

from ..moderation.conftest import town

__all__ = ["town"]
