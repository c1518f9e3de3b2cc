"""What is refused, as TALQ says it: a status and a list of `TALQErrorMessage` (3.5, data model 2.7.1)."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from typing import Any, TypeVar

import msgspec

from .base import TALQErrorMessage

T = TypeVar("T")
_MOST_TOLD = 50  # errors in one answer


class TalqError(Exception):
    """A request that is refused as a whole."""

    def __init__(self, status: int, *errors: TALQErrorMessage, retry_after: int | None = None) -> None:
        self.status = status
        self.errors = errors[:_MOST_TOLD]
        self.retry_after = retry_after
        super().__init__("; ".join(f"{error.key}: {error.description}" for error in self.errors))


def refused(status: int, key: str, description: str) -> TalqError:
    """An error with one message."""
    return TalqError(status, TALQErrorMessage(key=key, description=description))


def not_found(what: str) -> TalqError:
    """404: there is none such."""
    return refused(404, "resourceNotFound", f"there is no {what}")


def too_early(detail: str) -> TalqError:
    """403: the bootstrap is at another step (5.1)."""
    return refused(403, "genericError", detail)


@contextmanager
def payload(where: str = "") -> Iterator[None]:
    """What is wrong with a payload becomes a 400 that says where."""
    try:
        yield
    except (msgspec.ValidationError, msgspec.DecodeError, ValueError) as error:
        raise refused(400, "payloadError", f"{where}{error}") from None


def decoded(body: bytes, wanted: type[T] | Any) -> Any:
    """A body as the structs say. Raises TalqError."""
    with payload():
        return msgspec.json.decode(body, type=wanted)


def all_of(problems: Iterable[tuple[int, str, str]]) -> None:
    """Raise for everything that is wrong with a list, with the status of the first: none of it is taken (3.4)."""
    found = list(problems)
    if found:
        messages = (TALQErrorMessage(key=key, description=text) for _, key, text in found)
        raise TalqError(found[0][0], *messages)
