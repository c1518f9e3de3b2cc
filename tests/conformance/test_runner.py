"""The parts of the runner that need no suite: reading results, grouping, what Robot Framework is told."""

from __future__ import annotations

import os
import shutil
import socket
import subprocess
import sys
import uuid
from pathlib import Path, PurePosixPath

import pytest
from bench.installation import free_port

from . import mosquitto, results
from .results import Case
from .suite import COMPOUND_CONTEXT, CannotRun, Suite

_OUTPUT = """<?xml version="1.0" encoding="UTF-8"?>
<robot generator="Robot 7.4.1"><suite id="s1" name="NGSI-LD" source="{root}">
<suite id="s1-s1" name="ContextInformation" source="{root}/ContextInformation">
<suite id="s1-s1-s1" name="Provision" source="{root}/ContextInformation/Provision">
<suite id="s1-s1-s1-s1" name="901" source="{root}/ContextInformation/Provision/901.robot">
<test id="t1" name="901_01 Good" line="1">
<kw name="Create"><status status="FAIL" elapsed="0.1">caught on the way</status></kw>
<tag>e-create</tag><status status="PASS" start="2026-01-01T00:00:00" elapsed="0.25"/></test>
<test id="t2" name="901_02 Bad" line="2">
<tag>e-create</tag><status status="FAIL" elapsed="1.5">expected\t201,
got 404</status></test>
<status status="FAIL"/></suite><status status="FAIL"/></suite><status status="FAIL"/></suite>
<suite id="s1-s2" name="CommonBehaviours" source="{root}/CommonBehaviours">
<suite id="s1-s2-s1" name="902" source="{root}/CommonBehaviours/902.robot">
<test id="t3" name="902_01 Asks sources" line="1">
<tag>csr-query</tag><status status="SKIP" elapsed="0">Test skipped</status></test>
<status status="SKIP"/></suite><status status="SKIP"/></suite>
<status status="FAIL"/></suite>
<statistics><total><stat pass="1" fail="1" skip="1">All Tests</stat></total>
<suite><stat name="NGSI-LD" id="s1" pass="1" fail="1" skip="1">NGSI-LD</stat></suite></statistics>
<errors/></robot>
"""


def _case(folder: str, name: str = "903_01", status: str = "PASS", tags: tuple[str, ...] = ()) -> Case:
    return Case(name=name, folder=PurePosixPath(folder), tags=tags, status=status)


def test_an_output_is_read_case_by_case(tmp_path: Path) -> None:
    file = tmp_path / "output.xml"
    file.write_text(_OUTPUT.format(root=tmp_path))
    good, bad, skipped = results.read(file, tmp_path)
    assert (good.name, good.status, good.message, good.elapsed) == ("901_01 Good", "PASS", "", 0.25)
    assert good.folder == PurePosixPath("ContextInformation/Provision")
    assert good.tags == ("e-create",)
    assert (bad.status, bad.message) == ("FAIL", "expected\t201,\ngot 404")
    assert (skipped.status, skipped.group, skipped.needs_registrations) == ("SKIP", "CommonBehaviours", True)


def test_an_output_that_breaks_off_is_told(tmp_path: Path) -> None:
    file = tmp_path / "output.xml"
    file.write_text(_OUTPUT.format(root=tmp_path)[:-300])
    with pytest.raises(results.ElementTree.ParseError):
        results.read(file, tmp_path)


@pytest.mark.parametrize(
    ("folder", "group"),
    [
        ("CommonBehaviours/CommonResponses/VerifyGET", "CommonBehaviours"),
        ("ContextInformation/Provision/Entities/CreateEntity", "ContextInformation/Provision"),
        ("ContextInformation/Subscription/Behaviour/MQTT", "ContextInformation/Subscription"),
        ("ContextSource/Registration/Register", "ContextSource/Registration"),
        ("DistributedOperations/Provision/Entities", "DistributedOperations"),
        ("jsonldContext/Consumption/ServeContext", "jsonldContext"),
    ],
)
def test_groups_are_the_parts_of_the_standard(folder: str, group: str) -> None:
    assert _case(folder).group == group


@pytest.mark.parametrize(
    ("folder", "tags", "needed"),
    [
        ("ContextSource/Discovery", (), True),
        ("DistributedOperations/LoopDetection", (), True),
        ("CommonBehaviours/CommonResponses", ("cb-get", "csrsub-query"), True),
        ("ContextInformation/Consumption", ("dist-ops",), True),
        ("CommonBehaviours/CommonResponses", ("cb-get", "te-query"), False),
    ],
)
def test_who_needs_registrations_is_known_by_folder_and_tag(
    folder: str, tags: tuple[str, ...], needed: bool
) -> None:
    assert _case(folder, tags=tags).needs_registrations is needed


def test_the_report_counts_apart_what_needs_registrations() -> None:
    cases = [
        _case("CommonBehaviours/A", "904_01"),
        _case("CommonBehaviours/A", "904_02", "FAIL"),
        _case("CommonBehaviours/A", "904_03", "SKIP", ("csr-query",)),
        _case("ContextSource/Discovery", "905_01", "SKIP", ("csr-query",)),
        _case("ContextInformation/Provision/B", "906_01"),
    ]
    assert list(results.report(cases)) == [
        "CommonBehaviours: 1 passed, 1 failed",
        "ContextInformation/Provision: 1 passed, 0 failed",
        "Counted apart, for they need context source registrations:",
        "  CommonBehaviours: 0 passed, 0 failed, 1 left out",
        "    left out 904_03",
        "  ContextSource/Discovery: 0 passed, 0 failed, 1 left out",
        "2 passed, 1 failed",
    ]


def test_each_failure_is_one_line() -> None:
    cases = [_case("A/B"), Case("907_01 x", PurePosixPath("A/B"), (), "FAIL", "one\ntwo")]
    assert list(results.failures(cases)) == ["A/B\t907_01 x\tone ⏎ two"]


@pytest.fixture
def checkout(tmp_path: Path) -> Path:
    """A folder that looks like the suite's, with a Python that has nothing but says it has."""
    folder = tmp_path / "checkout"
    for name in (
        "TP/NGSI-LD/CommonBehaviours",
        "data",
        "libraries",
        "resources/jsonld-contexts",
        ".venv/bin",
    ):
        (folder / name).mkdir(parents=True)
    for name in ("ngsi-ld-test-suite.jsonld", "ngsi-ld-test-suite-compound.jsonld"):
        (folder / "resources/jsonld-contexts" / name).write_text('{"@context": {}}')
    (folder / ".venv/bin/python").symlink_to("/bin/true")
    return folder


def test_robot_is_told_what_to_run_and_what_to_leave_out(checkout: Path) -> None:
    suite = Suite(checkout)
    paths = suite.chosen(["CommonBehaviours/"])
    command = suite.command(paths, {"url": "http://127.0.0.1:1/ngsi-ld/v1"}, Path("/o"), registrations=False)
    assert command[:3] == [str(checkout / ".venv/bin/python"), "-m", "robot"]
    assert "--variable=url:http://127.0.0.1:1/ngsi-ld/v1" in command
    assert command[-3:] == ["--skip=csr*", "--skip=dist-ops", str(checkout / "TP/NGSI-LD/CommonBehaviours")]
    every = suite.command(suite.chosen([]), {}, Path("/o"), registrations=True)
    assert every[-1] == str(checkout / "TP/NGSI-LD")
    assert not any(word.startswith("--skip") for word in every)


def test_contexts_of_the_internet_are_the_suites_files(checkout: Path, tmp_path: Path) -> None:
    # What the broker itself reads them with.
    from rhinecloud.broker.contexts import preloaded

    Suite(checkout).write_contexts(tmp_path / "contexts.json")
    documents = preloaded(tmp_path / "contexts.json")
    assert documents[COMPOUND_CONTEXT] == {"@context": {}}


def test_what_is_not_there_is_said(checkout: Path, tmp_path: Path) -> None:
    with pytest.raises(CannotRun, match="it has CommonBehaviours"):
        Suite(checkout).chosen(["Nothing"])
    with pytest.raises(CannotRun, match="no folder of the suite"):
        Suite(tmp_path)
    (checkout / ".venv/bin/python").unlink()
    (checkout / ".venv/bin/python").symlink_to("/bin/false")
    with pytest.raises(CannotRun, match="pip install -r"):
        Suite(checkout)


def test_the_command_ends_with_2_when_there_is_no_suite(tmp_path: Path) -> None:
    command = [sys.executable, "-m", "tests.conformance", str(tmp_path)]
    done = subprocess.run(command, capture_output=True, text=True, check=False, timeout=60)
    assert done.returncode == 2
    assert "no folder of the suite" in done.stderr
    assert done.stdout == ""


@pytest.mark.skipif(not mosquitto.available(), reason="mosquitto is not installed")
def test_the_stand_in_for_docker_starts_and_ends_mosquitto(tmp_path: Path) -> None:
    # mosquitto of root reads its files as another user, which pytest's own folders are closed to.
    base = Path("/tmp") / f"rc-mosquitto-{uuid.uuid4().hex}"
    base.mkdir(mode=0o755)
    try:
        (tmp_path / "some.conf").write_text("# by hand\nallow_anonymous true\nlistener 1883\n")
        port = free_port()
        place = mosquitto.install(base / "bin", tmp_path, "127.0.0.3", port)
        environ = os.environ | {"PATH": f"{place}:{os.environ['PATH']}"}
        started = "docker run -d --network some -e CONF=some.conf --name 'that' some:latest"
        ended = "docker container rm -f that"
        assert subprocess.run(started, shell=True, env=environ, timeout=30).returncode == 0
        for listening in (mosquitto.PORT, port):
            socket.create_connection(("127.0.0.3", listening), 5).close()
        assert subprocess.run(ended, shell=True, env=environ, timeout=30).returncode == 0
        with pytest.raises(OSError):
            socket.create_connection(("127.0.0.3", port), 5)
        refused = subprocess.run("docker ps", shell=True, env=environ, timeout=30, capture_output=True)
        assert refused.returncode == 1
    finally:
        mosquitto.stop(base / "bin")
        shutil.rmtree(base)
