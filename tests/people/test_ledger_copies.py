"""The copy of the ledger at the place of the backups: only added to, and found again by a restore."""

from __future__ import annotations

from datetime import UTC, datetime
from pathlib import Path
from uuid import uuid4

import pytest

from rhinecloud.backups import shelf_of
from rhinecloud.commands.erased import gather
from rhinecloud.engines.account import EngineError
from rhinecloud.people.ledger import FILE, Entry, Ledger
from rhinecloud.people.ledger_copies import fetch, put
from rhinecloud.settings import Settings
from tests.files.object_storage import ObjectStorage, object_storage  # noqa: F401  # pytest finds fixtures here

FIRST, SECOND, THIRD = (
    Entry(uuid4(), datetime(2026, 1, day, tzinfo=UTC), (b"\x00\xff", bytes([day]))) for day in (1, 2, 3)
)


def _added_to_and_found(place: str, folder: Path) -> None:
    settings = Settings(data=folder / "data", backup_to=place)
    shelf = shelf_of(settings)
    assert shelf is not None and fetch(shelf) == {}
    put(shelf, [FIRST, SECOND])
    put(shelf, [FIRST])  # by a city that was restored without its ledger
    put(shelf, [THIRD, SECOND])
    assert fetch(shelf) == {one.id: one for one in (FIRST, SECOND, THIRD)}
    assert shelf.kept() == []  # it is no backup

    erased = gather(settings, folder / "backup.tar", None)
    assert len(erased.at) == 3 and erased.places == (shelf.place,)
    assert "3, 2 of them after the backup" in erased.said(SECOND.at)
    assert set(Ledger(settings.data / FILE).read()) == {FIRST.id, SECOND.id, THIRD.id}
    again = gather(settings, folder / "backup.tar", None)
    assert len((settings.data / FILE).read_text().splitlines()) == 3 and len(again.places) == 2


def test_in_a_folder(tmp_path: Path) -> None:
    place = tmp_path / "backups"
    place.mkdir()
    _added_to_and_found(str(place), tmp_path)


def test_in_a_bucket(tmp_path: Path, object_storage: ObjectStorage) -> None:  # noqa: F811
    _added_to_and_found(object_storage.url(prefix="backups"), tmp_path)


def test_what_lies_beside_the_backup_is_taken_and_a_place_that_is_away_is_told(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    settings = Settings(data=tmp_path / "data", backup_to=str(tmp_path / "away"))
    backup = tmp_path / "backup.tar"
    erased = gather(settings, backup, None)
    assert "There is no ledger of erasures" in erased.said(FIRST.at)
    assert "away" in capsys.readouterr().out
    Ledger(tmp_path / FILE).add([FIRST])
    Ledger(tmp_path / "other").add([SECOND])
    assert gather(settings, backup, None).at == (FIRST.at,)
    assert set(gather(settings, backup, tmp_path / "other").at) == {FIRST.at, SECOND.at}
    with pytest.raises(EngineError, match="no ledger"):
        gather(settings, backup, tmp_path / "nowhere")
