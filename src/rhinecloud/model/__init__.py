"""The information model of NGSI-LD (CIM 009): entities, attributes, @contexts, query languages. Pure: no I/O.

Offers, for every room above:
- the errors of the standard (`errors`) and the NGSI-LD Null;
- `Context`: names to IRIs and back, compiled once for each list; `CORE` has no users' terms;
- `Entity`, `Fragment` and their parsers: expanded form, plain JSON values under IRIs;
- `render`: entities as normalized, concise, simplified or GeoJSON documents.
"""

from rhinecloud.model.context import CORE, Context, Loader
from rhinecloud.model.core_context import CORE_CONTEXT_URL, DEFAULT_VOCABULARY
from rhinecloud.model.entity import (
    VALUE_MEMBER,
    Attributes,
    Entity,
    Fragment,
    Instance,
    is_null,
    parse_attribute,
    parse_entity,
    parse_fragment,
)
from rhinecloud.model.errors import (
    AlreadyExists,
    BadRequestData,
    Conflict,
    InternalError,
    InvalidRequest,
    LdContextNotAvailable,
    NgsiLdError,
    NoMultiTenantSupport,
    NonexistentTenant,
    OperationNotSupported,
    ResourceNotFound,
    TooComplexQuery,
    TooManyResults,
)
from rhinecloud.model.representation import LOCATION, Format, feature_collection, geometry_of, render
from rhinecloud.model.values import NULL, normal_time

__all__ = [
    "CORE",
    "CORE_CONTEXT_URL",
    "DEFAULT_VOCABULARY",
    "LOCATION",
    "NULL",
    "VALUE_MEMBER",
    "AlreadyExists",
    "Attributes",
    "BadRequestData",
    "Conflict",
    "Context",
    "Entity",
    "Format",
    "Fragment",
    "Instance",
    "InternalError",
    "InvalidRequest",
    "LdContextNotAvailable",
    "Loader",
    "NgsiLdError",
    "NoMultiTenantSupport",
    "NonexistentTenant",
    "OperationNotSupported",
    "ResourceNotFound",
    "TooComplexQuery",
    "TooManyResults",
    "feature_collection",
    "geometry_of",
    "is_null",
    "normal_time",
    "parse_attribute",
    "parse_entity",
    "parse_fragment",
    "render",
]
