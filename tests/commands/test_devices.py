"""`rhinecloud device`, `profile` and `unmapped` against a real server, as a person calls them."""

from __future__ import annotations

import json
import stat
import subprocess
import sys
from pathlib import Path
from typing import Any

import httpx
import pytest

from rhinecloud.cli import main

from ..conftest import Server


class Shell:
    """Calls commands on a server."""

    def __init__(self, server: Server, capsys: pytest.CaptureFixture[str]) -> None:
        self.url = server.base_url
        self._capsys = capsys

    def __call__(self, *words: str, code: int = 0) -> str:
        assert main([*words, "--url", self.url]) == code, self._capsys.readouterr()
        told = self._capsys.readouterr()
        return told.err if code and not told.out else told.out

    def json(self, *words: str) -> Any:
        return json.loads(self(*words, "--json"))


@pytest.fixture
def run(server: Server, capsys: pytest.CaptureFixture[str]) -> Shell:
    return Shell(server, capsys)


def test_a_device_by_the_command_line(run: Shell) -> None:
    told = run("device", "add", "c-1", "--type", "Lamp", "--name", "Mast", "--publish", "raw/c-1", "--secret")
    assert "urn:ngsi-ld:Lamp:c-1" in told
    assert "publishes to raw/c-1" in told
    secret = told.splitlines()[-1]
    response = httpx.post(
        f"{run.url}/api/v1/devices/c-1/messages",
        content='{"power": 1}',
        headers={"Authorization": f"Bearer {secret}"},
    )
    assert response.status_code == 204
    assert "c-1" in run("device", "list", "--search", "mast")
    assert "There is no such device" in run("device", "list", "--search", "none of these")
    run("device", "change", "c-1", "--name", "Anderer", "--no-enabled")
    shown = run("device", "show", "c-1")
    assert "Anderer" in shown
    assert "(may not sign in)" in shown
    run("device", "change", "c-1", "--enabled", "--level", "application=city")
    everything = run.json("device", "show", "c-1")
    assert everything["device"]["detail"] == {"levels": {"application": "city"}}
    issued = run.json("device", "secret", "c-1", "--note", "zwei", "--expires", "2099-01-01T00:00:00Z")
    assert len(issued["secret"]) == 32
    assert "zwei" in run("device", "show", "c-1")
    run("device", "revoke", "c-1", "--secret", str(issued["id"]))
    run("device", "revoke", "c-1", "--all")
    assert run.json("device", "show", "c-1")["secrets"] == []
    wanted = run.json("device", "want", "c-1", "dim=40", "mode=night", 'light={"r":1}')
    assert wanted["set"] == {"dim": 40, "mode": "night", "light": {"r": 1}}
    assert '"dim":40' in run("device", "show", "c-1")
    run("device", "remove", "c-1")
    assert "there is no device c-1" in run("device", "show", "c-1", code=1)


def test_what_is_wrong_is_said_in_words(run: Shell, tmp_path: Path) -> None:
    assert "(at /id)" in run("device", "add", "a b", "--type", "Lamp", code=1)
    assert "NAME=VALUE" in run("device", "want", "x", "dim", code=1)
    assert "what is to be changed" in run("device", "change", "x", code=1)
    assert "cannot be read" in run("profile", "save", str(tmp_path / "none"), code=1)
    (tmp_path / "text").write_text("text")
    assert "no JSON" in run("profile", "save", str(tmp_path / "text"), code=1)
    assert main(["device", "list", "--url", "http://127.0.0.1:9"]) == 1


def test_a_list_of_devices_with_their_secrets(run: Shell, tmp_path: Path) -> None:
    devices, secrets = tmp_path / "lamps.csv", tmp_path / "secrets.csv"
    devices.write_text("id;type;name\nb-1;Lamp;Eins\nb-2;Lamp;Zwei\n", "utf-8-sig")
    assert "2 devices added" in run("device", "import", str(devices), "--secrets", str(secrets))
    assert stat.S_IMODE(secrets.stat().st_mode) == 0o600
    lines = secrets.read_text().splitlines()
    assert [line.partition(",")[0] for line in lines] == ["id", "b-1", "b-2"]
    assert "2 were there" in run("device", "import", str(devices))
    devices.write_text('[{"id": "b-3", "type": "Lamp"}, {"id": "b 4", "type": "Lamp"}]')
    assert "line 2: /id" in run("device", "import", str(devices), code=1)
    assert "were not written" in run("device", "import", str(devices), "--secrets", str(secrets), code=1)


def test_a_profile_from_the_first_try_to_the_replay(run: Shell, tmp_path: Path) -> None:
    told = run("device", "add", "p-1", "--type", "Lamp", "--publish", "cli/p-1", "--secret")
    response = httpx.post(
        f"{run.url}/api/v1/devices/p-1/messages?topic=cli/p-1",
        content='{"watt": 3}',
        headers={"Authorization": f"Bearer {told.splitlines()[-1]}"},
    )
    assert response.status_code == 422
    assert "topic" in run("unmapped", "list")
    (kept,) = run.json("unmapped", "list", "--topic", "cli/+")
    assert '{"watt": 3}' in run("unmapped", "show", str(kept["id"]))
    payload, document = tmp_path / "payload", tmp_path / "profile.json"
    payload.write_text('{"watt": 3}')
    profile = {
        "name": "cli",
        "topics": ["cli/{device}"],
        "format": "json",
        "entity": {"id": "urn:ngsi-ld:Cli:{device}", "type": "Cli"},
        "attributes": [{"name": "power", "path": "watt["}],
    }
    document.write_text(json.dumps(profile))
    attempt = ("profile", "try", str(payload), "--topic", "cli/p-1")
    assert "/attributes/0" in run(*attempt, "--document", str(document), code=1)
    assert "/attributes/0" in run("profile", "save", str(document), code=1)
    profile["attributes"] = [{"name": "power", "path": "$.watt"}]
    document.write_text(json.dumps(profile))
    assert '"power"' in run(*attempt, "--document", str(document))
    assert "1 still cannot be" in run("unmapped", "replay", "--topic", "cli/+", code=1)
    run("profile", "save", str(document))
    assert '"power"' in run(*attempt, "--profile", "cli")
    assert "cli" in run("profile", "list")
    assert json.loads(run("profile", "show", "cli")) == profile
    assert "1 message mapped" in run("unmapped", "replay", "--topic", "cli/+")
    assert "0 messages discarded" in run("unmapped", "discard", "999999")
    run("profile", "delete", "cli")
    assert "there is no profile" in run("profile", "show", "cli", code=1)


def test_a_profile_may_be_piped_in(run: Shell) -> None:
    document = {"name": "piped", "extends": "plain-json", "topics": ["piped/{type}/{device}"]}
    words = [sys.executable, "-m", "rhinecloud.cli", "profile", "save", "-", "--url", run.url]
    done = subprocess.run(
        words, input=json.dumps(document).encode(), capture_output=True, timeout=60, check=False
    )
    assert done.returncode == 0, done
    assert b"Saved piped" in done.stdout
