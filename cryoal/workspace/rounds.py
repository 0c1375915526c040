"""The rounds of a workspace: made in a hidden folder and published by one rename, so that none is ever seen half."""

import json
import re
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import asdict, dataclass, field
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from cryoal import __version__
from cryoal.errors import FileFormatError, WorkspaceError
from cryoal.io.durable import (
    make_folder,
    publish_directory,
    remove_folder,
    remove_leftovers,
    temporary_sibling,
    write_atomic,
)
from cryoal.workspace.layout import Layout, RoundLayout

PRETRAINED, SCRATCH = "pretrained", "scratch"
_NUMBER = re.compile(r"\d{4,}")


@dataclass(frozen=True, slots=True)
class RoundInfo:
    """What a round was made from: round.json.

    Attributes
    ----------
    members : int
        Size of the committee.
    seed : int
    labels : mapping of str to int
        How many labels of each kind were used.
    details : mapping
        What else is worth keeping; anything that JSON can hold.
    cryoal_version : str
    when : str
        UTC, ISO 8601.
    """

    members: int
    seed: int
    labels: Mapping[str, int]
    details: Mapping[str, Any] = field(default_factory=dict)
    cryoal_version: str = __version__
    when: str = field(default_factory=lambda: datetime.now(UTC).isoformat(timespec="seconds"))

    @property
    def is_pretrained(self) -> bool:
        """Whether its members are the shipped ones, or started from them: they can propose with few labels or none."""
        return self.details.get("start") == PRETRAINED

    @property
    def has_learnt(self) -> bool:
        """Whether its members have seen any label, and are not just the shipped ones."""
        return any(self.labels.values())


def published_rounds(layout: Layout) -> list[RoundLayout]:
    """All rounds, oldest first."""
    if not layout.rounds.is_dir():
        return []
    numbers = [int(path.name) for path in layout.rounds.iterdir() if _NUMBER.fullmatch(path.name)]
    return [layout.round(number) for number in sorted(numbers)]


def newest_round(layout: Layout) -> RoundLayout:
    """The round with the highest number.

    Raises
    ------
    WorkspaceError
        There is no round yet.
    """
    rounds = published_rounds(layout)
    if not rounds:
        raise WorkspaceError(f"{layout.root}: no committee is trained yet; run cryoal train {layout.root}")
    return rounds[-1]


@contextmanager
def next_round(layout: Layout, info: RoundInfo) -> Iterator[RoundLayout]:
    """Make the next round in a hidden folder; it is published on clean exit and removed otherwise.

    Hold the lock `Layout.rounds_lock` meanwhile.

    Raises
    ------
    FileError
        The round cannot be written.
    """
    make_folder(layout.rounds)
    remove_leftovers(layout.root)
    rounds = published_rounds(layout)
    number = rounds[-1].number + 1 if rounds else 1
    final = layout.round(number)
    making = RoundLayout(temporary_sibling(final.folder), number)
    try:
        write_atomic(making.info, json.dumps(asdict(info), indent=1) + "\n")
        yield making
        publish_directory(making.folder, final.folder)
    finally:
        remove_folder(making.folder)


def found_picks(layout: RoundLayout) -> Path | None:
    """Folder of a round's picks, also where a kill in `publish_picks` left them beside their place; None: no picks."""
    places = (layout.picks_folder, layout.new_picks, layout.old_picks)
    return next((folder for folder in places if folder.is_dir()), None)


def publish_picks(layout: RoundLayout, making: Path) -> None:
    """Put a folder of picks in the place of the older one; at any instant `found_picks` finds one of the two.

    Hold the lock `Layout.rounds_lock` meanwhile.

    Raises
    ------
    FileError
        The folder cannot be put there.
    """
    remove_folder(layout.new_picks)
    publish_directory(making, layout.new_picks)
    if layout.picks_folder.exists():
        remove_folder(layout.old_picks)
        layout.picks_folder.rename(layout.old_picks)
    layout.new_picks.rename(layout.picks_folder)
    remove_folder(layout.old_picks)


def read_info(layout: RoundLayout) -> RoundInfo:
    """What a round was made from.

    Raises
    ------
    FileFormatError
        round.json is missing or broken.
    """
    try:
        return RoundInfo(**json.loads(layout.info.read_text(encoding="utf-8")))
    except (OSError, ValueError, TypeError) as error:
        remedy = f"delete {layout.folder} and train again"
        raise FileFormatError(f"{layout.info}: not a round of cryoal ({error}); {remedy}") from error
