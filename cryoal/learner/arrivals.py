"""Micrographs that appear while a workspace is watched: found by looking again, taken once they no longer change."""

from collections.abc import Iterable, Sequence
from dataclasses import replace
from pathlib import Path

from cryoal.data.micrograph import MicrographEntry
from cryoal.errors import FileError
from cryoal.io.micrographs import list_names, with_pixel_size
from cryoal.learner.project import Project
from cryoal.workspace.micrographs import write_micrographs
from cryoal.workspace.set_aside import read_set_aside, take_back

Signature = tuple[int, int]


def signature(path: Path) -> Signature | None:
    """Size and time of the last change of a file; None where there is none, or nothing in it."""
    try:
        found = path.stat()
    except OSError:
        return None
    return (found.st_size, found.st_mtime_ns) if found.st_size else None


class Settling:
    """Tells which files are the same in two looks, one after the other; remembers only those that are not yet."""

    def __init__(self) -> None:
        self._seen: dict[Path, Signature] = {}

    def __len__(self) -> int:
        """How many files are there and not settled yet."""
        return len(self._seen)

    def settled(self, paths: Iterable[Path]) -> set[Path]:
        """Those of the paths that are as they were in the look before; the others are remembered for the next."""
        now = {path: found for path in paths if (found := signature(path)) is not None}
        done = {path for path, found in now.items() if self._seen.get(path) == found}
        self._seen = {path: found for path, found in now.items() if path not in done}
        return done


class Arrivals:
    """Keeps a project's list of micrographs up to date; hold `Layout.micrographs_lock` meanwhile.

    Parameters
    ----------
    project : Project
    """

    def __init__(self, project: Project) -> None:
        self.project = project
        self._settling = Settling()
        self._failed: dict[str, Signature | None] = {}

    @property
    def waiting(self) -> int:
        """Files that are there, and may still be written to."""
        return len(self._settling)

    def look(self) -> list[MicrographEntry]:
        """Look once: add what has arrived whole, and give it, with what was set aside before and has changed since.

        Where the source names a micrograph whose key is taken by another, it is left out, as `init` would refuse it.

        Raises
        ------
        FileError
            The list or a note cannot be written.
        """
        newcomers, mended = self._newcomers(), self._changed()
        whole = self._settling.settled(entry.path for entry in (*newcomers, *mended))
        size = self.project.settings.pixel_size_angstrom
        arrived = [with_pixel_size(entry, size) for entry in newcomers if entry.path in whole]
        again = [with_pixel_size(entry, size) for entry in mended if entry.path in whole]
        if arrived or any(entry != self.project.by_key[entry.key] for entry in again):
            self._extend(arrived, again)
        for entry in again:
            take_back(self.project.layout, entry.key)
        return [*arrived, *again]

    def remember_failed(self, seen: dict[str, Signature | None]) -> None:
        """Keep how files looked that could not be used, by key: they are tried again when they look otherwise."""
        self._failed |= seen

    def _newcomers(self) -> list[MicrographEntry]:
        """What the source lists and the project does not; nothing while a list is being rewritten."""
        settings, known = self.project.settings, self.project.by_key
        try:
            listed = list_names(settings.source, self.project.root)
        except FileError:
            return []
        return [*{entry.key: entry for entry in listed if entry.key not in known}.values()]

    def _changed(self) -> list[MicrographEntry]:
        """What is set aside and is not as it was when it could not be used; each once after a start."""
        aside = read_set_aside(self.project.layout).keys() & self.project.by_key.keys()
        self._failed = {key: seen for key, seen in self._failed.items() if key in aside}
        entries = [self.project.by_key[key] for key in sorted(aside)]
        return [entry for entry in entries if self._failed.get(entry.key, ()) != signature(entry.path)]

    def _extend(self, arrived: Sequence[MicrographEntry], again: Sequence[MicrographEntry]) -> None:
        """Write the longer list."""
        newer = {entry.key: entry for entry in again}
        entries = [*(newer.get(entry.key, entry) for entry in self.project.entries), *arrived]
        write_micrographs(self.project.layout, entries, self.project.root)
        self.project = replace(self.project, entries=tuple(entries))
