"""Writing an archive: whole or not at all, in bounded memory, for its owner's eyes alone."""

import hashlib
import os
from collections.abc import AsyncIterable, Generator, Sequence
from contextlib import contextmanager
from datetime import datetime
from pathlib import Path
from uuid import UUID
from zipfile import ZIP_DEFLATED, ZipFile

from app.archive.manifest import FORMAT, NAME, VERSION, Manifest, Member, encoded


class ArchiveWriter:
    """An archive that comes to be: its members one after the other, its manifest last."""

    def __init__(self, file: ZipFile) -> None:
        self._file = file
        self._members: list[Member] = []

    async def add(self, table: str, columns: Sequence[str], pages: AsyncIterable[Sequence[str]]) -> None:
        """Write a table's rows, page after page; each row is one line of JSON."""
        digest, rows, length = hashlib.sha256(), 0, 0
        with self._file.open(f"{table}.jsonl", "w", force_zip64=True) as member:
            async for page in pages:
                content = "".join(f"{line}\n" for line in page).encode()
                member.write(content)
                digest.update(content)
                rows, length = rows + len(page), length + len(content)
        self._members.append(Member(table, list(columns), rows, length, digest.hexdigest()))

    def finish(self, *, revision: str, organization_id: UUID, exported_at: datetime) -> Manifest:
        """Write the manifest over what was added."""
        manifest = Manifest(FORMAT, VERSION, revision, organization_id, exported_at, self._members)
        self._file.writestr(NAME, encoded(manifest))
        return manifest


@contextmanager
def new_archive(path: Path) -> Generator[ArchiveWriter]:
    """Write an archive that is at `path` once it is whole, readable by its owner alone. Raises FileExistsError."""
    if path.exists():
        raise FileExistsError(path)
    draft = path.with_name(f"{path.name}.part")
    descriptor = os.open(draft, os.O_RDWR | os.O_CREAT | os.O_TRUNC, 0o600)
    try:
        with os.fdopen(descriptor, "w+b") as raw:
            with ZipFile(raw, "w", ZIP_DEFLATED, compresslevel=6) as file:
                yield ArchiveWriter(file)
            raw.flush()
            os.fsync(raw.fileno())
        # A name that somebody took meanwhile stays theirs.
        os.link(draft, path)
    finally:
        draft.unlink(missing_ok=True)
