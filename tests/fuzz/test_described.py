"""schemathesis: what fits a description of the API, and what nearly does.

By the description that is served at /api/v1/ngsi-ld-openapi.json, and by one of others where RHINECLOUD_NGSI_LD_OPENAPI
names its file.
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
from rhinecloud.api.ngsi_ld.openapi import describe

from ..conftest import Server
from . import strategies as fuzz
from .effort import effort, long_enough
from .judging import PATIENCE, Reply, judge

pytestmark = long_enough

# Addresses are made of these: nobody is called.
schemathesis.openapi.format(
    "uri", st.sampled_from(["urn:x:fuzz", "urn:x:1", "https://x.example/a", fuzz.NOWHERE, "urn:ngsi-ld:null"])
)


FOREIGN = os.environ.get("RHINECLOUD_NGSI_LD_OPENAPI")


@cache
def operations(of: str) -> dict[str, Any]:
    """Operations by method and path."""
    if of == "ours":
        document = describe(ROUTES)
    else:
        assert FOREIGN is not None
        # The published one has the name of the media type the wrong way round.
        document = yaml.safe_load(
            Path(FOREIGN).read_text().replace("application/json+ld", "application/ld+json")
        )
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


def tried_by_others(fuzzed: Server, session: requests.Session) -> None:
    unsupported = []
    for name, operation in operations("theirs").items():
        try:
            tried(operation, fuzzed, session, 1)
        except UnsupportedSchema:
            # What nearly fits cannot be made of every schema; what fits was tried before.
            unsupported.append(name)
    assert len(unsupported) < len(operations("theirs")) / 4, unsupported


if FOREIGN:
    test_by_a_description_of_others = tried_by_others
