"""Prepare a clone: a virtual environment in .venv, caches in .cache, the pages' assets. Nothing else.

Standard library only, and written for any Python 3, so that an old one gets a friendly answer. Used by
./rhinecloud and ./test; the second time it takes a few milliseconds.
"""

import hashlib
import json
import os
import re
import subprocess
import sys
import time

ROOT = os.path.dirname(os.path.dirname(os.path.abspath(__file__)))
VENV = os.path.join(ROOT, ".venv")
PYTHON = os.path.join(VENV, "bin", "python")
STAMP = os.path.join(VENV, "rhinecloud-set-up.json")
WEB = os.path.join(ROOT, "src", "rhinecloud", "web")
CACHE = os.path.join(ROOT, ".cache")
OLDEST = (3, 11)


def say(text):
    print(text, flush=True)


def fail(text):
    sys.exit("\n" + text)


def environment():
    """Caches stay in the clone; the wheel's build hook is told that assets are built separately."""
    own = {
        "PIP_CACHE_DIR": os.path.join(CACHE, "pip"),
        "PIP_DISABLE_PIP_VERSION_CHECK": "1",
        "PIP_ROOT_USER_ACTION": "ignore",
        "npm_config_cache": os.path.join(CACHE, "npm"),
        "npm_config_update_notifier": "false",
        "RHINECLOUD_SKIP_ASSETS": "1",
        "VIRTUAL_ENV": VENV,
    }
    kept = {name: value for name, value in os.environ.items() if name not in ("PYTHONHOME", "PYTHONPATH")}
    kept.update(own)
    return kept


def wanted_stamp(extras):
    with open(os.path.join(ROOT, "pyproject.toml"), "rb") as file:
        project = hashlib.sha256(file.read()).hexdigest()
    # The folder counts: an editable install and the scripts in .venv/bin name it.
    return {"project": project, "folder": ROOT, "extras": sorted(extras)}


def read_stamp():
    try:
        with open(STAMP) as file:
            return json.load(file)
    except (OSError, ValueError):
        return {}


def prepare(extras=("assets",)):
    """Make .venv fit pyproject.toml with the extras, and build the pages' assets when out of date."""
    if sys.version_info < OLDEST:
        fail(
            "Rhine Cloud needs Python %d.%d or newer; this is %s.\nCall it with a newer one, for example: "
            "python3.12 %s" % (OLDEST[0], OLDEST[1], sys.version.split()[0], " ".join(sys.argv))
        )
    before = read_stamp()
    wanted = wanted_stamp(set(extras) | set(before.get("extras", ())))
    # Not merely "the stamp is there": a system upgrade may have taken the interpreter's packages away.
    if before != wanted or not works("import rhinecloud"):
        install(wanted, before)
    build_assets()


def works(statement):
    """Whether the environment's interpreter is there and can do that."""
    return (
        os.path.exists(PYTHON) and subprocess.call([PYTHON, "-c", statement], stderr=subprocess.DEVNULL) == 0
    )


def install(wanted, before):
    begun = time.time()
    say("Setting up Rhine Cloud in %s (needed once; about a minute) …" % VENV)
    moved = before.get("folder", ROOT) != ROOT
    if moved or not works("import sys; sys.exit(sys.version_info < (%d, %d))" % OLDEST):
        # Debian's python3 without python3-venv cannot put pip into the environment; ours needs none there.
        make = [sys.executable, "-m", "venv", "--without-pip", "--clear", VENV]
        if subprocess.call(make, env=environment()) != 0:
            fail("The virtual environment could not be made. On Debian: apt-get install python3-venv")
    pip = [sys.executable, "-m", "pip"]
    if subprocess.call(pip + ["--version"], stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL) != 0:
        fail("pip is missing. On Debian and Ubuntu: apt-get install python3-pip")
    target = "%s[%s]" % (ROOT, ",".join(wanted["extras"])) if wanted["extras"] else ROOT
    code = follow_pip(pip + ["--python", PYTHON, "install", "--progress-bar", "off", "-e", target])
    if code != 0:
        fail("Setting up did not succeed; the lines above say why. Calling the command again continues.")
    with open(STAMP, "w") as file:
        json.dump(wanted, file)
    say("Set up in %.0f s." % (time.time() - begun))


def follow_pip(command):
    """Run pip; tell in few words what it is doing, and everything if it fails."""
    lines = []
    prepared = False
    process = subprocess.Popen(
        command, env=environment(), stdout=subprocess.PIPE, stderr=subprocess.STDOUT, universal_newlines=True
    )
    for line in process.stdout:
        lines.append(line)
        words = line.split()
        if words[:1] == ["Collecting"]:
            say("  fetching " + re.split("[<>=!~;]", words[1])[0])
        elif words[:2] in (["Installing", "build"], ["Preparing", "editable"]):
            if not prepared:
                say("  preparing Rhine Cloud")
            prepared = True
        elif words[:2] == ["Installing", "collected"]:
            say("  installing %d packages …" % (len(words) - 3))
    code = process.wait()
    if code != 0:
        say("".join(lines[-40:]))
    return code


def build_assets():
    """The pages' scripts and styles; only when what they are made of has changed since the last time."""
    if not os.path.exists(os.path.join(WEB, "build.py")):
        return
    digest = assets_digest()
    stamp = os.path.join(CACHE, "assets")
    try:
        with open(stamp) as file:
            fresh = file.read() == digest
    except OSError:
        fresh = False
    if fresh and os.path.isdir(os.path.join(WEB, "static", "dist")):
        return
    say("Building the pages' scripts and styles (about half a minute) …")
    if subprocess.call([PYTHON, "-m", "rhinecloud.web.build"], env=environment(), cwd=ROOT) != 0:
        fail("The pages' scripts and styles could not be built; the lines above say why.")
    os.makedirs(CACHE, exist_ok=True)
    with open(stamp, "w") as file:
        file.write(assets_digest())


def assets_digest():
    """Of everything below web/ that is no Python, for styles are cut down to what the templates use."""
    digest = hashlib.sha256()
    for folder, folders, files in os.walk(WEB):
        folders[:] = sorted(name for name in folders if name not in ("node_modules", "dist", "__pycache__"))
        for name in sorted(files):
            if name == "build.py" or not name.endswith((".py", ".mo")):
                path = os.path.join(folder, name)
                digest.update(os.path.relpath(path, WEB).encode())
                with open(path, "rb") as file:
                    digest.update(file.read())
    return digest.hexdigest()
