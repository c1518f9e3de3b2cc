"""The city's notices (Aushang): posted by those who may, read by everybody, withdrawn when their day is over.

A notice that hangs is an entity of the type `Notice` too, so that other systems may read it and be told of it.
"""

from .app import app

__all__ = ["app"]
