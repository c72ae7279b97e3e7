"""Reading an archive: nothing of it is believed before all of it was compared with its manifest."""

import hashlib
import zlib
from collections.abc import Generator, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Final
from zipfile import BadZipFile, ZipFile

from app.archive.manifest import BYTES_MAX, NAME, DamagedArchive, Manifest, Member, decoded

LINE_BYTES_MAX: Final = 32 * 1024 * 1024
PAGE_ROWS: Final = 500
PAGE_BYTES: Final = 1024 * 1024

_BROKEN: Final = (BadZipFile, zlib.error, EOFError, NotImplementedError, RuntimeError, UnicodeDecodeError)
"""What Python raises where a zip is cut off, damaged, encrypted, or compressed in another way."""


class ArchiveReader:
    """An archive whose every member was found to be what the manifest says."""

    def __init__(self, file: ZipFile) -> None:
        """Raises DamagedArchive."""
        self._file = file
        self.manifest: Manifest = decoded(self._content_of_manifest())
        names = sorted([NAME, *(member.name for member in self.manifest.members)])
        if sorted(file.namelist()) != names:
            raise DamagedArchive("Its members are not those that its manifest names.")
        for member in self.manifest.members:
            self._compare(member)

    def pages(self, table: str) -> Iterator[list[str]]:
        """The lines of a table's rows, some hundred at a time."""
        (member,) = [each for each in self.manifest.members if each.table == table]
        page: list[str] = []
        length = 0
        for line in self._lines(member):
            page.append(line.decode())
            length += len(line)
            if len(page) == PAGE_ROWS or length > PAGE_BYTES:
                yield page
                page, length = [], 0
        if page:
            yield page

    def _content_of_manifest(self) -> bytes:
        try:
            if self._file.getinfo(NAME).file_size > BYTES_MAX:
                raise DamagedArchive("Its manifest is too large.")
            return self._file.read(NAME)
        except KeyError as error:
            raise DamagedArchive("It has no manifest.") from error

    def _compare(self, member: Member) -> None:
        digest, rows, length = hashlib.sha256(), 0, 0
        for line in self._lines(member):
            digest.update(line)
            rows, length = rows + 1, length + len(line)
            if length > member.bytes:
                break
        if (rows, length, digest.hexdigest()) != (member.rows, member.bytes, member.sha256):
            raise DamagedArchive(f"{member.name} is not what its manifest says: rows, length or SHA-256 differ.")

    def _lines(self, member: Member) -> Iterator[bytes]:
        with self._file.open(member.name) as content:
            while line := content.readline(LINE_BYTES_MAX + 1):
                if len(line) > LINE_BYTES_MAX:
                    raise DamagedArchive(f"{member.name} has a line that is too long.")
                yield line


@contextmanager
def opened_archive(path: Path) -> Generator[ArchiveReader]:
    """Open an archive that is whole. Raises DamagedArchive, and what the file system raises."""
    try:
        with ZipFile(path) as file:
            yield ArchiveReader(file)
    except _BROKEN as error:
        raise DamagedArchive(f"It is cut off or damaged: {error}.") from error
