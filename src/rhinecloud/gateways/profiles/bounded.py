"""JSONPath (RFC 9535) whose work is bounded, for payloads come from outside and are read on the event loop.

What is left out of the standard: in a filter, queries that can find several nodes (they nest into powers of the
payload's size) and expressions that do not stand in the path. Expressions are those of queries (model/patterns.py): no
text makes them take exponential time.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from functools import lru_cache
from typing import Any, Final

from jsonpath import JSONPathEnvironment, JSONPathError, JSONPathMatch
from jsonpath.filter import BaseExpression, FilterQuery, FunctionExtension, StringLiteral
from jsonpath.function_extensions import ExpressionType, FilterFunction
from jsonpath.path import JSONPath
from jsonpath.selectors import Filter

from rhinecloud.model.patterns import compile_pattern

MAX_STEPS: Final = 50_000
"""Nodes that one path may look at in one payload."""
MAX_SELECTORS: Final = 16
"""Selectors in one pair of brackets."""
MAX_TEXT: Final = 1_024
"""Characters of a text that `match` and `search` read."""


class _Regular(FilterFunction):
    """`match` (§2.4.6) and `search` (§2.4.7)."""

    arg_types = [ExpressionType.VALUE, ExpressionType.VALUE]  # noqa: RUF012  # as the library declares it
    return_type = ExpressionType.LOGICAL

    def __init__(self, *, whole: bool) -> None:
        self.whole = whole

    def __call__(self, value: object, pattern: object) -> bool:
        if not isinstance(value, str) or not isinstance(pattern, str):
            return False
        if len(value) > MAX_TEXT:
            raise ValueError(f"a text of more than {MAX_TEXT} characters is not searched")
        return _found(_anchored(pattern) if self.whole else pattern, value)


def _anchored(pattern: str) -> str:
    return f"^({pattern})$"


@lru_cache(maxsize=4096)
def _found(pattern: str, text: str) -> bool:
    return compile_pattern(pattern).found_in(text)


class _Environment(JSONPathEnvironment):
    def setup_function_extensions(self) -> None:
        super().setup_function_extensions()
        self.function_extensions["match"] = _Regular(whole=True)
        self.function_extensions["search"] = _Regular(whole=False)


class _Steps(dict[str, Any]):
    """How many are left to a query; handed from node to node as what the library calls the context of filters."""

    left = MAX_STEPS

    def spend(self) -> None:
        self.left -= 1
        if self.left < 0:
            raise ValueError(f"the path looks at more than {MAX_STEPS} nodes")


class _Node(JSONPathMatch):
    """A node that counts its children and the filters that look at them."""

    __slots__ = ()

    def filter_context(self) -> Mapping[str, Any]:
        steps = self._filter_context
        assert isinstance(steps, _Steps)
        steps.spend()
        return steps


_ENVIRONMENT = _Environment(strict=True)


def compile_query(text: str) -> JSONPath:
    """The query. Raises ValueError with the reason."""
    try:
        query = _ENVIRONMENT.compile(text)
    except (JSONPathError, RecursionError) as error:
        raise ValueError(f"is no JSONPath (RFC 9535): {str(error).splitlines()[0]}") from None
    assert isinstance(query, JSONPath)
    for segment in query.segments:
        if len(segment.selectors) > MAX_SELECTORS:
            raise ValueError(f"has more than {MAX_SELECTORS} selectors in one pair of brackets")
        for selector in segment.selectors:
            if isinstance(selector, Filter):
                _check(selector.expression)
    return query


def _check(expression: BaseExpression) -> None:
    if isinstance(expression, FilterQuery) and not expression.path.singular_query():
        raise ValueError(f"has {expression} in a filter, which can find several nodes")
    if isinstance(expression, FunctionExtension) and expression.name in ("match", "search"):
        pattern = expression.args[1]
        if not isinstance(pattern, StringLiteral):
            raise ValueError(f"has no expression in quotation marks in {expression}")
        try:
            compile_pattern(_anchored(pattern.value) if expression.name == "match" else pattern.value)
        except ValueError as error:
            raise ValueError(f"has an expression that {error}") from None
    for child in expression.children():
        _check(child)


def nodes_of(query: JSONPath, document: Any) -> Iterator[JSONPathMatch]:
    """The nodes that a query finds. Raises ValueError where there is too much to look at."""
    nodes: Iterable[JSONPathMatch] = [
        _Node(filter_context=_Steps(), obj=document, parent=None, path="$", parts=(), root=document)
    ]
    for segment in query.segments:
        nodes = segment.resolve(nodes)
    try:
        yield from nodes
    except RecursionError:
        raise ValueError("the payload is nested too deeply") from None
    except JSONPathError as error:
        raise ValueError(str(error).splitlines()[0]) from None
