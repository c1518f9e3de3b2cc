"""What a group has on paper: files of the city, for everybody or for members."""

from __future__ import annotations

from typing import Final
from uuid import UUID

import msgspec

from rhinecloud.city import City, Rules, Upload
from rhinecloud.people import Actor

from ..events.drafting import Wrong
from .model import Group

RULES: Final = Rules(count=5)
_MOST: Final = 500


class Document(msgspec.Struct, frozen=True):
    """A file of a group. `size` in bytes; `public`: everybody may see it."""

    id: UUID
    name: str
    size: int
    public: bool


async def of(city: City, group: Group, *, hidden: bool) -> list[Document]:
    """The documents of a group in the order in which they came; with `hidden` those for members, too."""
    rows = await city.db.pool.fetch("SELECT file, public FROM document WHERE theme_group = $1", group.number)
    public = {row["file"]: row["public"] for row in rows}
    if not public:
        return []
    return [
        Document(file.id, file.name, file.size, public[file.id])
        for file in await city.files.of(_subject(group))
        if file.id in public and (hidden or public[file.id])
    ]


async def add(city: City, actor: Actor, group: Group, uploads: list[Upload], *, public: bool) -> None:
    """Keep what was uploaded. Raises Wrong."""
    if not uploads:
        raise Wrong("file", ("Bitte wählen Sie eine Datei.", "Please choose a file."))
    async with city.transaction() as transaction:
        count = await transaction.connection.fetchval(
            "SELECT count(*) FROM document WHERE theme_group = $1", group.number
        )
        if count + len(uploads) > _MOST:
            raise Wrong(
                "file", ("Die Gruppe hat schon 500 Dokumente.", "The group has 500 documents already.")
            )
        for upload in uploads:
            kept = await city.files.keep(transaction, upload, subject=_subject(group), actor=actor)
            await transaction.connection.execute(
                "INSERT INTO document (file, theme_group, public) VALUES ($1, $2, $3)",
                kept.id,
                group.number,
                public,
            )
        await transaction.audit(
            actor.id,
            "participation.group.document",
            f"group:{group.number}",
            {"number": len(uploads), "public": public},
        )


async def remove(city: City, actor: Actor, group: Group, file: UUID) -> None:
    """Take a document away."""
    async with city.transaction() as transaction:
        found = await transaction.connection.fetchval(
            "DELETE FROM document WHERE file = $1 AND theme_group = $2 RETURNING true", file, group.number
        )
        if found:
            await city.files.remove(transaction, file)
            await transaction.audit(actor.id, "participation.group.remove_document", f"group:{group.number}")


def _subject(group: Group) -> str:
    return f"group:{group.number}"
