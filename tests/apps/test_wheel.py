"""An app of a third party: made by `rhinecloud app new`, changed a little, built, installed by pip, served, removed."""

from __future__ import annotations

import asyncio
import os
import shutil
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import asyncpg
import httpx
import pytest
from playwright.async_api import async_playwright

from ..conftest import Serve, new_folder
from ..web.conftest import CHROMIUM, FLAGS

OWN = {"Sec-Fetch-Site": "same-origin"}
PAGE = "/bee_hives"
LATER = (
    "INSERT INTO tenant_city.pgqueuer (priority, status, entrypoint, execute_after) "
    "VALUES (0, 'queued', $1, now() + interval '1 day')"
)
FILE = (
    "INSERT INTO tenant_city.file (id, app, subject, name, type, size, sha256, created_by) "
    "VALUES (gen_random_uuid(), 'bee_hives', 's', 'n', 'text/plain', 0, '', 'open')"
)
COMMAND = """async def _tell(city: City, arguments: object) -> None:
    print(f"{len(await entries.newest(city))} entries")


"""
JOB = "INSERT INTO tenant_city.pgqueuer (priority, status, entrypoint, payload) VALUES (0, 'queued', $1, 'null')"


def run(*command: str | Path, code: int = 0, **environ: str) -> str:
    # Our environment has no pip of its own (scripts/set_up.py): that of the Python it was made from works for it.
    pip = [sys._base_executable, "-m", "pip", "--python", sys.executable]  # type: ignore[attr-defined]
    program = pip if command[0] == "pip" else [sys.executable, "-m", str(command[0])]
    done = subprocess.run(
        [*program, *map(str, command[1:])],
        capture_output=True,
        text=True,
        timeout=120,
        env={**os.environ, **environ},
    )
    assert done.returncode == code, done.stdout + done.stderr
    return done.stdout + done.stderr


def change(path: Path, *pairs: tuple[str, str]) -> None:
    text = path.read_text()
    for old, new in pairs:
        assert old in text
        text = text.replace(old, new)
    path.write_text(text)


@pytest.fixture(scope="module")
def installed() -> Iterator[Path]:
    """A folder for PYTHONPATH with the app in it, and beside it one that cannot be imported and one that is no app."""
    parent = new_folder()
    source, target = parent / "source", parent / "target"
    assert "rhinecloud_bee_hives/app.py" in run(
        "rhinecloud.cli", "app", "new", "bee_hives", "--folder", source
    )
    package = source / "src" / "rhinecloud_bee_hives"
    change(
        package / "app.py",
        ('("Bee hives", "Bee hives")', '("Bienenstöcke", "Bee hives")'),
        ("import App, Attempt,", "import App, Attempt, Command,"),
        ("_ENTRIES = ", COMMAND + "_ENTRIES = "),
        (
            "    jobs=(",
            '    commands=(Command("tell", "tell how many entries there are", _tell),),\n    jobs=(',
        ),
    )
    (package / "sql" / "0002_written.post.sql").write_text(
        "CREATE INDEX entry_written ON entry (written_at);\n"
    )
    for name, text in (("broken_app", "import nothing_of_this_name"), ("no_app", "app = 7")):
        (target / f"{name}-1.dist-info").mkdir(parents=True)
        (target / f"{name}.py").write_text(text)
        (target / f"{name}-1.dist-info" / "METADATA").write_text(
            f"Metadata-Version: 2.1\nName: {name}\nVersion: 1\n"
        )
        points = f"[rhinecloud.apps]\n{name} = {name}:app\n"
        (target / f"{name}-1.dist-info" / "entry_points.txt").write_text(points)
    offline = ("--no-deps", "--no-index", "--disable-pip-version-check", "-q")
    run("pip", "wheel", *offline, "--no-build-isolation", "-w", parent, source)
    (wheel,) = parent.glob("*.whl")
    run("pip", "install", *offline, "--target", target, wheel)
    yield target
    shutil.rmtree(parent, ignore_errors=True)


async def until(condition: Callable[[], Any]) -> None:
    """Until an awaited condition holds (the test's own patience bounds it)."""
    while not await condition():
        await asyncio.sleep(0.05)


def test_what_is_new_is_complete(installed: Path) -> None:
    """Its own tests pass; what is installed is listed, with what is wrong; an app of a taken name is not begun."""
    environ = {"PYTHONPATH": str(installed)}
    source = installed.parent / "source"
    assert "2 passed" in run("pytest", "-q", "-p", "no:cacheprovider", "--rootdir", source, source, **environ)
    listed = run("rhinecloud.cli", "app", "list", **environ)
    assert "bee_hives            rhinecloud-bee-hives 0.1.0   Bee hives" in listed
    assert "broken_app 1   not served: it cannot be imported: ModuleNotFoundError" in listed
    assert "no_app 1   not served: no_app:app is no rhinecloud.app.App" in listed
    assert "for bee-hives, broken-app, " in run("rhinecloud.cli", "--help", **environ)
    assert "tell  tell how many" in run("rhinecloud.cli", "bee-hives", "--help", **environ)
    assert "cannot be imported" in run("rhinecloud.cli", "broken-app", "x", code=1, **environ)
    only = run("rhinecloud.cli", "app", "list", "--apps=noticeboard,nowhere", **environ)
    assert "not served: the setting apps does not name it" in only
    assert "not served: the setting apps names it, and it is not installed" in only
    for name, reason in (
        ("Bees", "a name is a lower-case letter"),
        ("bees", "is there already, and not empty"),
    ):
        assert reason in run("rhinecloud.cli", "app", "new", name, "--folder", source, code=1)
    catalogue = source / "src" / "rhinecloud_bee_hives" / "locale" / "de.po"
    change(
        catalogue.parent.parent / "templates" / "start.html",
        ("{% endif %}\n  <ul>", '{% endif %}{{ _("A new text") }}<ul>'),
    )
    assert "without a translation: A new text" in run(
        "rhinecloud.cli", "app", "texts", catalogue.parent.parent
    )
    assert 'msgstr "Neuer Eintrag"' in catalogue.read_text()


async def test_an_app_of_a_third_party_lives_and_is_gone(serve: Serve, installed: Path) -> None:
    environ = {"PYTHONPATH": str(installed)}
    server = serve(environ=environ)
    for name in ("broken_app", "no_app"):
        assert f"the app {name} is not served: " in server.output
    application = await asyncpg.connect(server.database_url)
    async with httpx.AsyncClient(base_url=server.base_url, headers=OWN, timeout=20) as city:
        health = (await city.get("/health")).text
        assert "no_app:app is no rhinecloud.app.App" in health and "2" in health
        await in_a_browser(server.base_url)
        assert [one["text"] for one in (await city.get(f"/api{PAGE}")).json()] == ["Volk <b>3</b>"]

        async def entities() -> list[str]:
            found = await city.get("/ngsi-ld/v1/entities?type=BeeHivesEntry")
            return [one["text"]["value"] for one in found.json()]

        assert await entities() == ["Volk <b>3</b>"]
        assert await application.fetchval(
            "SELECT actor FROM tenant_city.audit WHERE action = 'bee_hives.write'"
        )
        for status, method, path in ((405, "DELETE", ""), (404, "GET", "/no")):
            problem = await city.request(method, f"/api{PAGE}{path}")
            assert (problem.status_code, problem.json()["status"]) == (status, status)
        foreign = await city.post(PAGE, data={"text": "x"}, headers={"Sec-Fetch-Site": "cross-site"})
        assert foreign.status_code == 403

        # The migration that comes after, and the timed job.
        index = "SELECT to_regclass('app_bee_hives.entry_written')"
        await until(lambda: application.fetchval(index))
        await application.execute("UPDATE app_bee_hives.entry SET written_at = '2020-01-01'")
        await application.execute(JOB, "bee_hives.forget")
        while await entities():
            await asyncio.sleep(0.05)
        await city.post(PAGE, data={"text": "bleibt"})
    await application.close()
    tell = ("rhinecloud.cli", "bee-hives", "tell", "--data", server.data)
    assert "1 entries" in run(*tell, **environ)
    assert "There is no command 'bee-hives'" in run(*tell, code=2)
    server.stop()

    # With sign-in: everybody reads, and who has no permission is led to the sign-in.
    closed = serve("--no-open", data=server.data, environ=environ, wait=False)
    async with httpx.AsyncClient(base_url=await address(closed), headers=OWN, timeout=20) as city:
        page = (await city.get(PAGE)).text
        assert "bleibt" in page and 'class="form"' not in page
        written = await city.post(PAGE, data={"text": "x"})
        assert (written.status_code, written.headers["location"].partition("?")[0]) == (303, "/sign-in")
        assert len((await city.get(f"/api{PAGE}")).json()) == 1
    application = await asyncpg.connect(closed.database_url)
    await application.execute(LATER, "bee_hives.forget")
    await application.execute(FILE)
    await application.close()
    closed.stop()

    command = ("rhinecloud.cli", "app", "remove", "bee_hives", "--data", server.data)
    assert "pip uninstall rhinecloud-bee-hives" in run(*command, "--yes", code=1, **environ)
    assert "Say --yes" in run(*command, code=1)
    assert "its schema, 1 jobs and 1 files" in run(*command, "--yes")
    assert "There is nothing of an app bee_hives" in run(*command, "--yes", code=1)


async def in_a_browser(url: str) -> None:
    async with async_playwright() as playwright:
        browser = await playwright.chromium.launch(executable_path=CHROMIUM, args=FLAGS)
        page = await browser.new_page(locale="de-DE", viewport={"width": 1280, "height": 800})
        problems: list[str] = []
        page.on("pageerror", lambda error: problems.append(str(error)))
        await page.goto(url)
        await page.locator("nav.places").get_by_role("link", name="Anwendungen").click()
        await page.locator("nav.places--inner").get_by_role("link", name="Bienenstöcke").click()
        await page.get_by_label("Neuer Eintrag").fill("Volk <b>3</b>")
        await page.get_by_role("button", name="Schreiben").click()
        await page.get_by_text("Der Eintrag ist da.").wait_for()
        assert await page.get_by_text("Volk <b>3</b>").is_visible()
        assert problems == []
        await browser.close()


async def address(server: Any) -> str:
    while not (lines := [line for line in server.output.splitlines() if line.startswith("  Pages ")]):
        assert server.process.poll() is None, server.output
        await asyncio.sleep(0.05)
    return lines[0].split()[1]
