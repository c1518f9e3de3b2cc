"""schemathesis: what fits a description of the API, and what nearly does.

Twice: by a description made from the table of routes, and by one of others, which is not part of this repository. It
is looked for in ../shared/data/ngsi-ld/, and where RHINECLOUD_NGSI_LD_OPENAPI says.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator
from functools import cache
from pathlib import Path
from typing import Any

import pytest
import requests
import schemathesis
import yaml
from hypothesis import given
from hypothesis import strategies as st
from schemathesis import GenerationMode
from schemathesis.errors import UnsupportedSchema

from rhinecloud.api.ngsi_ld.api import ROUTES

from ..conftest import Server
from . import strategies as fuzz
from .description import describe
from .effort import effort, long_enough
from .judging import PATIENCE, Reply, judge

pytestmark = long_enough

_SHARED = Path(__file__).parents[3] / "shared" / "data" / "ngsi-ld"

# Addresses are made of these: nobody is called.
schemathesis.openapi.format(
    "uri", st.sampled_from(["urn:x:fuzz", "urn:x:1", "https://x.example/a", fuzz.NOWHERE, "urn:ngsi-ld:null"])
)


def foreign_description() -> Path | None:
    """An OpenAPI description of NGSI-LD that others have written, if there is one."""
    given = os.environ.get("RHINECLOUD_NGSI_LD_OPENAPI")
    found = [Path(given)] if given else sorted(_SHARED.glob("*openapi*")) + sorted(_SHARED.glob("*api*.yaml"))
    return found[0] if found else None


@cache
def operations(of: str) -> dict[str, Any]:
    """Operations by method and path."""
    if of == "ours":
        document = describe(ROUTES)
    else:
        path = foreign_description()
        assert path is not None
        # The published one has the name of the media type the wrong way round.
        document = yaml.safe_load(path.read_text().replace("application/json+ld", "application/ld+json"))
    schema = schemathesis.openapi.from_dict(document)
    found = [result.ok() for result in schema.get_all_operations()]
    return {f"{operation.method.upper()} {operation.path}": operation for operation in found}


@pytest.fixture(scope="module")
def session() -> Iterator[requests.Session]:
    with requests.Session() as session:
        session.trust_env = False
        yield session


def tried(operation: Any, server: Server, session: requests.Session, examples: int) -> None:
    """Send so many requests of each kind, and judge the answers."""

    def answered(case: Any) -> None:
        told = case.as_curl_command()[:2000]
        request = case.as_transport_kwargs(base_url=f"{server.base_url.rstrip('/')}/ngsi-ld/v1")
        try:
            answer = session.request(**request, timeout=PATIENCE)
        except requests.RequestException as error:
            raise AssertionError(told, repr(error)) from error
        headers = {name.lower(): value for name, value in answer.headers.items()}
        reply = Reply(answer.status_code, headers, answer.content)
        judge(case.method, reply, told)

    for mode in (GenerationMode.POSITIVE, GenerationMode.NEGATIVE):
        test: Callable[..., Any] = given(operation.as_strategy(generation_mode=mode))(answered)
        effort(examples)(test)()


@pytest.mark.parametrize("operation", operations("ours"))
def test_by_our_own_description(fuzzed: Server, session: requests.Session, operation: str) -> None:
    tried(operations("ours")[operation], fuzzed, session, 2)


def test_by_a_description_of_others(fuzzed: Server, session: requests.Session) -> None:
    if foreign_description() is None:
        pytest.skip(f"NOT TESTED: there is no OpenAPI description of NGSI-LD in {_SHARED}")
    unsupported = []
    for name, operation in operations("theirs").items():
        try:
            tried(operation, fuzzed, session, 1)
        except (
            UnsupportedSchema
        ):  # what nearly fits cannot be made of every schema; what fits was tried before
            unsupported.append(name)
    assert len(unsupported) < len(operations("theirs")) / 4, unsupported
