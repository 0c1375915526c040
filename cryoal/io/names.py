"""Which micrograph a name in a picks file means."""

import re
from collections import defaultdict
from collections.abc import Iterable, Sequence
from pathlib import Path, PurePosixPath

from cryoal.data.micrograph import MicrographEntry, micrograph_key
from cryoal.errors import LabelError

_CRYOSPARC_UID = re.compile(r"^\d{18,21}_")
_COORDINATE_SUFFIX = re.compile(
    r"_(?:autopick|manualpick|automatch|topazpicks?|picks?|picked|coords?|boxes|topaz|cryolo|info|BoxNet\w*)$"
)
_MOTION_SUFFIX = re.compile(
    r"(?:_(?:(?:patch|rigid|local)_)?aligned(?:_mic)?|_doseweighted|_(?:no)?DW)+$", re.IGNORECASE
)

WORKSPACE_FILE = "workspace.toml"
"""What tells a workspace from other folders; its own files are nobody's picks."""


def own_name(path: Path) -> str:
    """Name of the micrograph that a coordinate file without names inside belongs to: its stem, dots kept."""
    return path.stem


def without_coordinate_suffix(name: str) -> str:
    """Name of a coordinate file without ``_autopick`` and what other programs put there.

    >>> without_coordinate_suffix("Micrographs/a.b_autopick")
    'Micrographs/a.b'
    """
    return _COORDINATE_SUFFIX.sub("", name)


class NameIndex:
    """Finds the micrograph that a name means.

    RELION's job prefix and image suffixes are removed, then stems are compared, without cryoSPARC's uid prefix; where
    several micrographs share a stem, the folders decide. Where none fits, suffixes of coordinate files (``_autopick``
    and the like) are removed, and last those that programs add when they correct motion
    (``_patch_aligned_doseweighted``, ``_aligned_mic_DW``), for pictures of one micrograph share its coordinates.
    """

    def __init__(self, entries: Iterable[MicrographEntry]) -> None:
        self._by_stem: dict[str, list[MicrographEntry]] = defaultdict(list)
        self._by_bare_stem: dict[str, list[MicrographEntry]] = defaultdict(list)
        for entry in entries:
            stem = _stem(entry.key)
            self._by_stem[stem].append(entry)
            self._by_bare_stem[_bare(stem)].append(entry)

    def find(self, name: str) -> MicrographEntry | None:
        """Give the micrograph that `name` means, None where it means none.

        Raises
        ------
        LabelError
            Several micrographs fit.
        """
        key = micrograph_key(name.replace("\\", "/"))  # Warp writes names on Windows, too
        plain = without_coordinate_suffix(key)
        for candidate, entries in (
            (key, self._by_stem.get(_stem(key))),
            (plain, self._by_stem.get(_stem(plain))),
            (plain, self._by_bare_stem.get(_bare(_stem(plain)))),
        ):
            if entries:
                return _only(name, candidate, entries)
        return None


def unique_stems(entries: Sequence[MicrographEntry]) -> bool:
    """Whether the micrographs can be told apart without their folders."""
    return len({PurePosixPath(entry.key).name for entry in entries}) == len(entries)


def coordinate_path(entry: MicrographEntry, out: Path, suffix: str, *, flat: bool) -> Path:
    """Where the picks of one micrograph go: in `out` itself, or below it in the micrograph's folders."""
    key = PurePosixPath(entry.key).name if flat else entry.key
    return out / f"{key}{suffix}"


def _stem(key: str) -> str:
    """Last part of the key, without cryoSPARC's uid."""
    return _CRYOSPARC_UID.sub("", PurePosixPath(key).name)


def _bare(stem: str) -> str:
    """A stem without what motion correction added."""
    return _MOTION_SUFFIX.sub("", stem)


def _only(name: str, key: str, entries: list[MicrographEntry]) -> MicrographEntry:
    """Choose among micrographs of one stem by the longest common end of their paths."""
    if len(entries) == 1:
        return entries[0]
    parts = PurePosixPath(key).parts
    tails = [entry for entry in entries if _ends_with(parts, entry)]
    if tails:
        return max(tails, key=lambda entry: len(entry.key))
    fitting = [entry for entry in entries if PurePosixPath(entry.key).parts[-len(parts) :] == parts]
    if len(fitting) != 1:
        listed = ", ".join(entry.name for entry in entries[:3])
        raise LabelError(f"'{name}' may mean {len(entries)} micrographs ({listed}); name them with their folders")
    return fitting[0]


def _ends_with(parts: tuple[str, ...], entry: MicrographEntry) -> bool:
    """Whether a path ends with the micrograph's key."""
    key = PurePosixPath(entry.key).parts
    return parts[-len(key) :] == key
