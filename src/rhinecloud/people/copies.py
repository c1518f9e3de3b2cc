"""A copy of somebody's data for programs and people: one ZIP with JSON and the files (Art. 15(3), Art. 20 GDPR)."""

from __future__ import annotations

import asyncio
import zipfile
from collections.abc import AsyncIterator, Sequence
from pathlib import Path
from typing import Any

import msgspec

from rhinecloud.files import Files

from .register import Activity, Holding, Keep, Table, Text

_READ_ME = """\
Eine Kopie der Daten, die diese Anlage über Sie gespeichert hat (Art. 15 Abs. 3 und Art. 20 DSGVO).
data.json: alles, nach Zweck geordnet, für Menschen und Programme. files/: Dateien, die Sie hochgeladen haben.

A copy of the data that this installation keeps about you (Art. 15(3) and Art. 20 GDPR).
data.json: everything, by purpose, for people and programs. files/: files that you uploaded.
"""


class Held(msgspec.Struct, frozen=True):
    """What one holding has of a person."""

    owner: str
    activity: Activity
    holding: Holding
    rows: list[dict[str, Any]]

    @property
    def stays(self) -> Text | None:
        """Why something of it stays after an erasure; None if nothing does."""
        erasure = self.holding.erasure if isinstance(self.holding, Table) else None
        return erasure.reason if erasure is not None and hasattr(erasure, "reason") else None

    @property
    def kept(self) -> bool:
        """Whether it stays as it is."""
        return isinstance(self.holding, Table) and isinstance(self.holding.erasure, Keep)


def document(held: Sequence[Held]) -> dict[str, Any]:
    """Everything as JSON, with what Art. 15(1) GDPR wants to be told about it."""
    return {
        "format": "rhinecloud-personal-data-1",
        "data": [
            {
                "activity": one.activity.key,
                "title": one.activity.title,
                "purpose": one.activity.purpose,
                "legalGround": f"Art. 6(1)({one.activity.ground}) GDPR",
                "provision": one.activity.provision,
                "recipients": one.activity.recipients,
                "transfers": one.activity.transfers,
                "retention": one.holding.retention.text,
                "what": one.holding.text,
                "keptBy": one.owner,
                "records": one.rows,
            }
            for one in held
            if one.rows
        ],
    }


async def write(target: Path, held: Sequence[Held], files: Files, uploaded: Sequence[Any]) -> None:
    """Write the ZIP; `uploaded` are the files that go with it."""
    text = msgspec.json.format(msgspec.json.encode(document(held)), indent=1)
    with zipfile.ZipFile(target, "w", zipfile.ZIP_DEFLATED) as package:
        package.writestr("README.txt", _READ_ME)
        package.writestr("data.json", text)
        for file in uploaded:
            await _add(package, f"files/{file.id}-{file.name}", files.read(file))


async def _add(package: zipfile.ZipFile, name: str, content: AsyncIterator[bytes]) -> None:
    with package.open(name, "w", force_zip64=True) as entry:
        async for block in content:
            await asyncio.to_thread(entry.write, block)
