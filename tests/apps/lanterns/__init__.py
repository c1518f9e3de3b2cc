"""An app of the tests, which does with its City whatever an app may do."""

from .app import app

__all__ = ["app"]
