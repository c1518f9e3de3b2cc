"""The information model of NGSI-LD (CIM 009): entities, attributes, @contexts, query languages. Pure: no I/O.

Offers, for every room above:
- the errors of the standard (`errors`) and the NGSI-LD Null;
- `Context`: names to IRIs and back, compiled once for each list; `CORE` has no users' terms;
- `Entity`, `Fragment` and their parsers: expanded form, plain JSON values under IRIs;
- `render`: entities as normalized, concise, simplified or GeoJSON documents;
- the query languages as trees of frozen structs: `parse_q`, `parse_type_selection`, `parse_scope_q`,
  `parse_geo_query` and `parse_order_by`, with `matches`, `matches_geometry` and `ordered` as their plain meaning.
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
from rhinecloud.model.evolution import (
    Evolution,
    instance_id,
    parse_evolution,
    parse_evolution_attribute,
    parse_instance_id,
)
from rhinecloud.model.geo import GeoQuery, parse_geo_query
from rhinecloud.model.geo import matcher as geometry_matcher
from rhinecloud.model.geo import matches as matches_geometry
from rhinecloud.model.geojson import check_geometry, is_geometry
from rhinecloud.model.ordering import OrderKey, ordered, parse_order_by
from rhinecloud.model.query_language import parse_q, print_q
from rhinecloud.model.query_matching import matches
from rhinecloud.model.query_tree import (
    ENTITY_MEMBERS,
    PATH_MEMBERS,
    TIME_MEMBERS,
    And,
    AttributePath,
    Comparison,
    Exists,
    LinkedPath,
    Or,
    Pattern,
    Q,
    Range,
    Temporal,
    Uri,
    ValueList,
)
from rhinecloud.model.representation import LOCATION, Format, feature_collection, geometry_of, render
from rhinecloud.model.scope_query import ScopePattern, ScopeQuery, parse_scope_q
from rhinecloud.model.type_selection import TypeSelection, parse_type_selection, print_type_selection
from rhinecloud.model.values import NULL, normal_time

__all__ = [
    "AlreadyExists",
    "And",
    "AttributePath",
    "Attributes",
    "BadRequestData",
    "CORE",
    "CORE_CONTEXT_URL",
    "Comparison",
    "Conflict",
    "Context",
    "DEFAULT_VOCABULARY",
    "ENTITY_MEMBERS",
    "Entity",
    "Evolution",
    "Exists",
    "Format",
    "Fragment",
    "GeoQuery",
    "Instance",
    "InternalError",
    "InvalidRequest",
    "LOCATION",
    "LdContextNotAvailable",
    "LinkedPath",
    "Loader",
    "NULL",
    "PATH_MEMBERS",
    "TIME_MEMBERS",
    "NgsiLdError",
    "NoMultiTenantSupport",
    "NonexistentTenant",
    "OperationNotSupported",
    "Or",
    "OrderKey",
    "Pattern",
    "Q",
    "Range",
    "ResourceNotFound",
    "ScopePattern",
    "ScopeQuery",
    "Temporal",
    "TooComplexQuery",
    "TooManyResults",
    "TypeSelection",
    "Uri",
    "VALUE_MEMBER",
    "ValueList",
    "check_geometry",
    "feature_collection",
    "geometry_matcher",
    "geometry_of",
    "instance_id",
    "is_geometry",
    "is_null",
    "matches",
    "matches_geometry",
    "normal_time",
    "ordered",
    "parse_attribute",
    "parse_entity",
    "parse_evolution",
    "parse_evolution_attribute",
    "parse_fragment",
    "parse_geo_query",
    "parse_instance_id",
    "parse_order_by",
    "parse_q",
    "parse_scope_q",
    "parse_type_selection",
    "print_q",
    "print_type_selection",
    "render",
]
