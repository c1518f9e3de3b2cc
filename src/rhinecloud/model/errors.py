"""The errors of NGSI-LD (CIM 009 §5.5.2) as exceptions, and their RFC 7807 form (§5.5.3, §6.3.2)."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any, ClassVar

ERRORS_NAMESPACE = "https://uri.etsi.org/ngsi-ld/errors/"


def json_pointer(path: Iterable[str | int]) -> str:
    """The RFC 6901 pointer of a path of member names and array positions; the whole document is ``""``."""
    return "".join("/" + str(part).replace("~", "~0").replace("/", "~1") for part in path)


class NgsiLdError(Exception):
    """An error that the standard names. `field` is the JSON pointer of the member at fault, where one is."""

    name: ClassVar[str] = "InternalError"
    title: ClassVar[str] = "Internal error"
    status: ClassVar[int] = 500

    def __init__(self, detail: str, *, field: str | None = None, instance: str | None = None) -> None:
        super().__init__(detail)
        self.detail = detail
        self.field = field
        self.instance = instance

    @property
    def type(self) -> str:
        """The IRI of the error type (CIM 009 Table 5.5.2-1)."""
        return ERRORS_NAMESPACE + self.name

    def problem(self) -> dict[str, Any]:
        """The RFC 7807 problem details to send (CIM 009 §5.5.3)."""
        problem: dict[str, Any] = {
            "type": self.type,
            "title": self.title,
            "status": self.status,
            "detail": self.detail,
        }
        if self.field is not None:
            problem["field"] = self.field
        if self.instance is not None:
            problem["instance"] = self.instance
        return problem

    def __str__(self) -> str:
        return f"{self.detail} (at {self.field})" if self.field else self.detail


class InternalError(NgsiLdError):
    """Something went wrong on our side."""


class BadRequestData(NgsiLdError):  # noqa: N818 - the standard's own names
    """The data sent do not meet the requirements of the operation."""

    name = "BadRequestData"
    title = "Bad request data"
    status = 400


class InvalidRequest(NgsiLdError):  # noqa: N818
    """The request itself is malformed, for instance no JSON at all."""

    name = "InvalidRequest"
    title = "Invalid request"
    status = 400


class ResourceNotFound(NgsiLdError):  # noqa: N818
    """What was asked for does not exist."""

    name = "ResourceNotFound"
    title = "Resource not found"
    status = 404


class NonexistentTenant(NgsiLdError):  # noqa: N818
    """The tenant asked for does not exist."""

    name = "NonexistentTenant"
    title = "Nonexistent tenant"
    status = 404


class AlreadyExists(NgsiLdError):  # noqa: N818
    """What was to be created exists already."""

    name = "AlreadyExists"
    title = "Already exists"
    status = 409


class Conflict(NgsiLdError):  # noqa: N818
    """The operation conflicts with the present state."""

    name = "Conflict"
    title = "Conflict"
    status = 409


class OperationNotSupported(NgsiLdError):  # noqa: N818
    """The operation is not offered here."""

    name = "OperationNotSupported"
    title = "Operation not supported"
    status = 422


class TooComplexQuery(NgsiLdError):  # noqa: N818
    """The query is too complex to be answered."""

    name = "TooComplexQuery"
    title = "Too complex query"
    status = 403


class TooManyResults(NgsiLdError):  # noqa: N818
    """The query has so many results that it must be narrowed."""

    name = "TooManyResults"
    title = "Too many results"
    status = 403


class LdContextNotAvailable(NgsiLdError):  # noqa: N818
    """A remote @context cannot be fetched (CIM 009 Table 6.3.2-1 gives it status 503)."""

    name = "LdContextNotAvailable"
    title = "JSON-LD @context not available"
    status = 503


class NoMultiTenantSupport(NgsiLdError):  # noqa: N818
    """This installation has one tenant only."""

    name = "NoMultiTenantSupport"
    title = "No multi-tenant support"
    status = 501
