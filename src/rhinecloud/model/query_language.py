"""The NGSI-LD query language: the text of `q` as a tree of frozen terms, and back (CIM 009 §4.9).

Beyond the standard's grammar associations may nest, blanks may stand between tokens, and an
attribute may be given by its whole IRI, best in angle brackets (``<https://…>==1``).
"""

from __future__ import annotations

import re
from collections.abc import Callable, Collection
from typing import Final, Literal

import msgspec

from rhinecloud.model.context import Context
from rhinecloud.model.core_context import NGSI_LD, TERMS
from rhinecloud.model.entity import VALUE_MEMBER
from rhinecloud.model.errors import BadRequestData, TooComplexQuery
from rhinecloud.model.patterns import compile_pattern
from rhinecloud.model.query_tree import (
    ENTITY_MEMBERS,
    PATH_MEMBERS,
    TIME_MEMBERS,
    And,
    AttributePath,
    Comparison,
    Exists,
    LinkedPath,
    Operator,
    Or,
    Pattern,
    Q,
    Range,
    Single,
    Temporal,
    Uri,
    Value,
    ValueList,
)
from rhinecloud.model.values import normal_clock, normal_date, normal_time

MAX_TEXT: Final = 16_384
MAX_NESTING: Final = 32
MAX_LINKS: Final = 32  # each is a search of its own


def parse_q(
    text: str, context: Context, *, expand_values: Collection[str] = (), json_keys: Collection[str] = ()
) -> Q:
    """Read a query. BadRequestData says at which character the grammar was left.

    `expand_values` names the attributes whose values are terms to expand (§4.9, expandValues). `json_keys` names
    those whose values are JSON and nothing else (jsonKeys): they are never expanded here, so that it is only
    wrong to name an attribute in both.
    """
    if len(text) > MAX_TEXT:
        raise TooComplexQuery(f"q is longer than {MAX_TEXT} characters", field="q")
    expanded = _paths(expand_values, context, "expandValues")
    both = expanded & _paths(json_keys, context, "jsonKeys")
    if both:
        raise BadRequestData(f"{min(both)} is in expandValues and in jsonKeys", field="jsonKeys")
    try:
        return _Parser(text, context, expanded).whole()
    except BadRequestData as error:
        # The context knows names, not where they come from.
        error.field = "q"
        raise


def _paths(names: Collection[str], context: Context, field: str) -> frozenset[tuple[str, ...]]:
    """Attributes, each by the names on its way: a sub-attribute may be named too."""
    paths = (parse_path(name, context, field=field) for name in names)
    return frozenset((path.attribute, *path.sub_path) for path in paths)


def parse_path(text: str, context: Context, *, field: str) -> AttributePath:
    """Read an attribute path alone (production Attribute of §4.9); BadRequestData names `field`."""
    if len(text) > MAX_TEXT:
        raise TooComplexQuery(f"{field} is longer than {MAX_TEXT} characters", field=field)
    try:
        return _Parser(text, context, frozenset(), field).whole_path()
    except BadRequestData as error:
        error.field = field
        raise


def print_q(q: Q, context: Context) -> str:
    """The text of a query, names shortened by the context; `parse_q` reads it back to the same tree."""
    match q:
        case Or(terms):
            return "|".join(print_q(term, context) for term in terms)
        case And(terms):
            return ";".join(
                f"({print_q(term, context)})" if isinstance(term, Or) else print_q(term, context)
                for term in terms
            )
        case Exists(path):
            return print_path(path, context)
        case Comparison(path, op, value):
            return f"{print_path(path, context)}{op}{_print_value(value)}"


def print_path(path: AttributePath, context: Context) -> str:
    """The text of an attribute path, names shortened by the context; `parse_path` reads it back to the same path."""
    text = ".".join(_print_name(name, context) for name in (path.attribute, *path.sub_path))
    if path.json_path:
        text += f"[{'.'.join(path.json_path)}]"
    if path.linked is not None:
        types = ",".join(_print_name(one, context) for one in path.linked.types)
        inner = print_path(path.linked.path, context)
        text += f"{{{types}:{inner}}}" if types else f"{{{inner}}}"
    return text


def _print_name(iri: str, context: Context) -> str:
    if ":" not in iri:
        return iri
    name = context.compact_iri(iri)
    return name if _NAME.fullmatch(name) else f"<{iri}>"


def _print_value(value: Value) -> str:
    match value:
        case bool():
            return "true" if value else "false"
        case int() | float():
            return repr(value)
        case str():
            return msgspec.json.encode(value).decode()
        case Temporal(text=text):
            return text
        case Uri(text):
            return text
        case Range(low, high):
            return f"{_print_value(low)}..{_print_value(high)}"
        case ValueList(values):
            return ",".join(_print_value(one) for one in values)
        case Pattern(text):
            escaped = re.sub(
                r'\\.|"', lambda found: '\\"' if found[0] == '"' else found[0], text, flags=re.DOTALL
            )
            return f'"{escaped}"'


_NAME = re.compile(r"[^\W\d_]\w*")
_PREFIXED = re.compile(r"[^\W\d_]\w*:[^\W\d_]\w*")
_WHOLE_IRI = re.compile(r"[A-Za-z][A-Za-z0-9+\-]*:(?://|\w+:)[^\s=!<>~;|()\[\]{},\"]+")
_BRACKETED_IRI = re.compile(r"<([A-Za-z][A-Za-z0-9+.\-]*:[^\s<>\"{}|\\^`]+)>")
_OPERATORS: Final[dict[str, Operator]] = {
    "==": "==",
    "!=": "!=",
    ">=": ">=",
    ">": ">",
    "<=": "<=",
    "<": "<",
    "~=": "~=",
    "!~=": "!~=",
}
_OPERATOR = re.compile(r"!~=|~=|==|!=|>=|<=|>|<")
_QUOTED = re.compile(r'"(?:[^"\\]|\\.)*"', re.DOTALL)
_JSON_MEMBER = re.compile(r"[^\]\[.\"=<>;|]+")
_BARE_PATTERN = re.compile(r"\\.|\[\^?\]?(?:[^\]\\]|\\.)*\]|.", re.DOTALL)
# What may follow an unquoted value.
_END = r"(?=\.\.|[\s;|),]|$)"
_NUMBER = re.compile(r"-?(?:0|[1-9][0-9]*)(?:\.[0-9]+)?(?:[eE][+-]?[0-9]+)?" + _END)
_TEMPORALS: Final[
    tuple[tuple[Literal["dateTime", "date", "time"], re.Pattern[str], Callable[[str], str | None]], ...]
] = (
    (
        "dateTime",
        re.compile(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d(?:[.,]\d+)?(?:Z|[+-]\d\d:\d\d)" + _END),
        normal_time,
    ),
    ("time", re.compile(r"\d\d:\d\d:\d\d(?:[.,]\d+)?Z" + _END), normal_clock),
    ("date", re.compile(r"\d{4}-\d\d-\d\d" + _END), normal_date),
)
_WORD = re.compile(r"[^\s;|(),\"]+")
_URI = re.compile(r"[A-Za-z][A-Za-z0-9+.\-]*:[^\s<>\"{}|\\^`]+")


class _Parser:
    """Recursive descent over the text; `at` is the next character."""

    def __init__(
        self, text: str, context: Context, expand_values: frozenset[tuple[str, ...]], field: str = "q"
    ) -> None:
        self.text = text
        self.field = field
        self.context = context
        self.expand_values = expand_values
        self.at = 0
        self.links = 0

    def whole(self) -> Q:
        q = self.alternatives(0)
        if self.at < len(self.text):
            raise self.wrong("the end, ';' or '|'")
        return q

    def whole_path(self) -> AttributePath:
        path = self.path(0)
        if self.at < len(self.text):
            raise self.wrong("the end of the path")
        return path

    def wrong(self, expected: str) -> BadRequestData:
        rest = self.text[self.at : self.at + 30]
        found = f"{rest!r}" if rest else "the end"
        detail = f"{self.field}: expected {expected} at character {self.at + 1}, found {found}"
        return BadRequestData(detail, field=self.field)

    def blanks(self) -> None:
        while self.at < len(self.text) and self.text[self.at].isspace():
            self.at += 1

    def take(self, token: str) -> bool:
        """Step over the token, and the blanks before it, if it comes next."""
        self.blanks()
        if self.text.startswith(token, self.at):
            self.at += len(token)
            return True
        return False

    def take_re(self, pattern: re.Pattern[str]) -> str | None:
        found = pattern.match(self.text, self.at)
        if found is None:
            return None
        self.at = found.end()
        return found[0]

    def alternatives(self, depth: int) -> Q:
        """Terms joined by ``|``, which binds less than ``;``."""
        terms = [self.conjunction(depth)]
        while self.take("|"):
            terms.append(self.conjunction(depth))
        flat = [part for term in terms for part in (term.terms if isinstance(term, Or) else (term,))]
        return flat[0] if len(flat) == 1 else Or(tuple(flat))

    def conjunction(self, depth: int) -> Q:
        terms = [self.term(depth)]
        while self.take(";"):
            terms.append(self.term(depth))
        flat = [part for term in terms for part in (term.terms if isinstance(term, And) else (term,))]
        return flat[0] if len(flat) == 1 else And(tuple(flat))

    def term(self, depth: int) -> Q:
        if self.take("("):
            if depth >= MAX_NESTING:
                raise TooComplexQuery(f"q nests more than {MAX_NESTING} associations", field="q")
            q = self.alternatives(depth + 1)
            if not self.take(")"):
                raise self.wrong("')'")
            return q
        self.blanks()
        path = self.path(0)
        self.blanks()
        operator = _OPERATORS.get(self.take_re(_OPERATOR) or "")
        if operator is None:
            return Exists(path)
        expand = self.names_of(path) in self.expand_values
        return Comparison(path, operator, self.value(path, operator, expand))

    @staticmethod
    def names_of(path: AttributePath) -> tuple[str, ...]:
        """The attribute that the values are of: that of the linked entity, if there is one."""
        while path.linked is not None:
            path = path.linked.path
        return (path.attribute, *path.sub_path)

    # ---- attribute paths

    def path(self, depth: int) -> AttributePath:
        """Production Attribute, or inside braces LinkedEntityPath without its types."""
        attribute = self.name(linked=depth > 0)
        if attribute in _MEMBERS_BY_IRI:
            attribute = _MEMBERS_BY_IRI[attribute]
            if attribute not in ENTITY_MEMBERS:
                raise self.wrong(f"an attribute ({attribute!r} is none) before here,")
        if self.text.startswith("{", self.at):
            return AttributePath(attribute, linked=self.linked(depth))
        sub_path: list[str] = []
        while self.text.startswith(".", self.at):
            if attribute in ENTITY_MEMBERS or (sub_path and sub_path[-1] in PATH_MEMBERS):
                raise self.wrong("an operator (what stands before has no sub-attributes)")
            self.at += 1
            name = self.name(linked=depth > 0)
            sub_path.append(_MEMBERS_BY_IRI.get(name, name))
        json_path = self.json_path() if self.text.startswith("[", self.at) else ()
        return AttributePath(attribute, tuple(sub_path), json_path)

    def name(self, *, linked: bool) -> str:
        """A name, expanded. A colon inside braces ends the types, so no prefix is read there."""
        bracketed = _BRACKETED_IRI.match(self.text, self.at)
        if bracketed is not None:
            self.at = bracketed.end()
            return self.attribute_iri(bracketed[1], bracketed[1])
        written = None if linked else self.take_re(_WHOLE_IRI) or self.take_re(_PREFIXED)
        written = written or self.take_re(_NAME)
        if written is None:
            raise self.wrong("the name of an attribute")
        return self.attribute_iri(written, self.context.expand_name(written))

    @staticmethod
    def attribute_iri(name: str, iri: str) -> str:
        if iri[0] == "@" or iri in _NO_ATTRIBUTES:
            raise BadRequestData(f"q: {name!r} is no attribute", field="q")
        return iri

    def linked(self, depth: int) -> LinkedPath:
        self.links += 1
        if self.links > MAX_LINKS:
            raise TooComplexQuery(f"{self.field} follows more than {MAX_LINKS} links", field=self.field)
        self.at += 1
        start = self.at
        types = [self.name(linked=True)]
        while self.take(","):
            types.append(self.name(linked=True))
        if not self.take(":"):
            types.clear()
            self.at = start
        path = self.path(depth + 1)
        if not self.take("}"):
            raise self.wrong("'}'")
        return LinkedPath(path, tuple(types))

    def json_path(self) -> tuple[str, ...]:
        self.at += 1
        members: list[str] = []
        while True:
            member = self.take_re(_JSON_MEMBER)
            if member is None:
                raise self.wrong("the name of a member of the value")
            members.append(member)
            if self.take("]"):
                return tuple(members)
            if not self.take("."):
                raise self.wrong("'.' or ']'")

    # ---- values

    def value(self, path: AttributePath, operator: str, expand: bool) -> Value:
        self.blanks()
        if operator in ("~=", "!~="):
            return self.pattern()
        first = self.single(path, expand)
        if operator not in ("==", "!="):
            if isinstance(first, bool | Uri):
                raise self.wrong(f"a number, text, date or time after {operator!r} before here,")
            return first
        if self.take(".."):
            self.blanks()
            return self.range(first, self.single(path, expand))
        values = [first]
        while self.take(","):
            self.blanks()
            values.append(self.single(path, expand))
        return first if len(values) == 1 else ValueList(tuple(values))

    def range(self, low: Single, high: Single) -> Range:
        if isinstance(low, bool | Uri) or _kind(low) != _kind(high):
            raise self.wrong("a range of two numbers, two texts or two times before here,")
        return Range(low, high)

    def single(self, path: AttributePath, expand: bool) -> Single:
        quoted = self.take_re(_QUOTED)
        if quoted is not None:
            return self.quoted(quoted, path, expand)
        for kind, pattern, normal in _TEMPORALS:
            written = self.take_re(pattern)
            if written is not None:
                text = normal(written)
                if text is None:
                    raise self.wrong(f"a {kind} that exists instead of {written!r} before here,")
                return Temporal(kind, text)
        number = self.take_re(_NUMBER)
        if number is not None:
            return self.number(number)
        word = _WORD.match(self.text, self.at)
        if word is not None and word[0] in ("true", "false"):
            self.at = word.end()
            return word[0] == "true"
        if word is not None and (expand or _URI.fullmatch(word[0])):
            self.at = word.end()
            return Uri(self.context.expand_term(word[0]) if expand else word[0])
        raise self.wrong("a value (texts stand in double quotes)")

    def quoted(self, written: str, path: AttributePath, expand: bool) -> Single:
        try:
            text: str = msgspec.json.decode(written, type=str)
        except (msgspec.DecodeError, UnicodeError):
            raise self.wrong(f"a JSON text instead of {written[:30]!r} before here,") from None
        if "\x00" in text:
            raise self.wrong("text without the character U+0000 before here,")
        if expand:
            return Uri(self.context.expand_term(text))
        if (path.sub_path[-1] if path.sub_path else path.attribute) in TIME_MEMBERS:
            time = normal_time(text)
            return text if time is None else Temporal("dateTime", time)
        return text

    def number(self, written: str) -> int | float:
        if written.lstrip("-").isdigit() and len(written) <= 40:
            return int(written)
        number = float(written)
        if number in (float("inf"), float("-inf")):
            raise self.wrong("a number that is not too large before here,")
        return number

    def pattern(self) -> Pattern:
        quoted = self.take_re(_QUOTED)
        text = quoted[1:-1] if quoted is not None else self.bare_pattern()
        if not text:
            raise self.wrong("a regular expression")
        # An escaped quote means the quote itself; all other escapes belong to the expression.
        text = re.sub(r"\\(.)", lambda found: '"' if found[1] == '"' else found[0], text, flags=re.DOTALL)
        try:
            compile_pattern(text)
        except ValueError as error:
            raise BadRequestData(f"q: the regular expression {text!r} {error}", field="q") from None
        return Pattern(text)

    def bare_pattern(self) -> str:
        """An expression without quotes goes on to the next ``;``, ``|`` or ``)`` that is not within it."""
        start, depth = self.at, 0
        while self.at < len(self.text):
            part = _BARE_PATTERN.match(self.text, self.at)
            assert part is not None
            if depth == 0 and part[0] in (";", "|", ")"):
                break
            depth += {"(": 1, ")": -1}.get(part[0], 0)
            self.at = part.end()
        return self.text[start : self.at].strip()


def _kind(value: Single) -> str:
    if isinstance(value, Temporal):
        return value.kind
    return "text" if isinstance(value, str) else "number"


_MEMBERS_BY_IRI: Final = {TERMS[name]: name for name in PATH_MEMBERS}
_NO_ATTRIBUTES: Final = frozenset({NGSI_LD + "scope", *(TERMS[name] for name in VALUE_MEMBER.values())})
