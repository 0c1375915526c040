"""Picks of a round and their export, kept up to date while micrographs are added to what it has scored."""

from collections.abc import Generator, Sequence
from dataclasses import dataclass
from pathlib import Path

from cryoal.data.micrograph import MicrographEntry
from cryoal.data.picks import Picks
from cryoal.errors import OptionError, WorkspaceLockedError
from cryoal.io.formats import format_named
from cryoal.io.micrographs import read_shapes
from cryoal.io.names import unique_stems
from cryoal.learner.pick_files import picked_keys
from cryoal.learner.pick_rule import Rule, read_rule
from cryoal.learner.picks import add_picks, check_wish, export, export_options, export_picks, pick
from cryoal.learner.progress import Progress, last_value
from cryoal.learner.project import Project
from cryoal.workspace.candidates import scored_keys
from cryoal.workspace.layout import RoundLayout
from cryoal.workspace.rounds import found_picks


@dataclass(frozen=True, slots=True)
class Handover:
    """What picks are wished, and where they are exported to.

    Attributes
    ----------
    threshold, precision : float, optional
        As `cryoal.learner.picks.pick`; without either, as the round was picked before.
    format_name, out : str, Path, optional
        The export; both or neither.

    Raises
    ------
    OptionError
        A value is not allowed, or one of two is missing.
    """

    threshold: float | None = None
    precision: float | None = None
    format_name: str | None = None
    out: Path | None = None

    def __post_init__(self) -> None:
        check_wish(self.threshold, self.precision)
        if (self.format_name is None) != (self.out is None):
            raise OptionError("--export and --out: give both or neither")
        if self.format_name is not None:
            format_named(self.format_name)


class KeptPicks:
    """The picks of one round and their export.

    Unless it was given, the threshold is chosen anew, and all picks with it, each time the picked micrographs have
    doubled in number; between, only the picks of the micrographs that are new are written.

    Parameters
    ----------
    project : Project
    layout : RoundLayout
        The round.
    handover : Handover
    """

    def __init__(self, project: Project, layout: RoundLayout, handover: Handover) -> None:
        self._layout = layout
        self._handover = handover
        self._rule: Rule | None = None
        self._export_all = handover.format_name is not None
        self._is_flat = True
        self.picked = self._present(project)
        to_pick = scored_keys(layout) - self.picked
        self._to_pick = [entry for entry in project.usable() if entry.key in to_pick]

    def update(
        self, project: Project, scored: Sequence[MicrographEntry], *, hold: bool
    ) -> Generator[Progress, None, str]:
        """Pick and export micrographs that were scored now; with `hold` only note them. Says what must be tried again.

        Raises
        ------
        FileError
            A file cannot be written.
        """
        self._to_pick += scored
        if hold:
            return ""
        try:
            added = yield from self._pick(project)
        except (WorkspaceLockedError, OptionError) as error:
            return f"picks wait: {error}"
        self._export(project, added)
        return ""

    def _pick(self, project: Project) -> Generator[Progress, None, list[tuple[MicrographEntry, Picks]]]:
        """Make the picks that are missing, and give them; where all are made anew, none."""
        folder = found_picks(self._layout)
        rule = None if folder is None else read_rule(folder)
        if rule != self._rule:  # somebody else picked
            self._took_over(project, rule)
        wish = (self._handover.threshold, self._handover.precision)
        asked = (None, None) if rule is None else (rule.asked_threshold, rule.asked_precision)
        differs = rule is not None and wish not in ((None, None), asked)
        if not self._to_pick and not differs:
            return []
        has_aged = rule is not None and len(self.picked) + len(self._to_pick) >= 2 * rule.micrographs
        if rule is None or differs or (has_aged and rule.asked_threshold is None):
            yield from last_value(pick(project, *(asked if wish == (None, None) else wish)))
            folder = found_picks(self._layout)
            self._took_over(project, None if folder is None else read_rule(folder))
            self._to_pick = []
            return []
        added = add_picks(project, self._layout, self._to_pick, rule.threshold)
        self.picked |= {entry.key for entry in self._to_pick}
        self._to_pick = []
        return added

    def _took_over(self, project: Project, rule: Rule | None) -> None:
        """All picks are others."""
        self._rule = rule
        self.picked = self._present(project)
        self._export_all = self._handover.format_name is not None

    def _present(self, project: Project) -> set[str]:
        """Keys of the micrographs that have picks."""
        folder = found_picks(self._layout)
        if folder is None:
            return set()
        return picked_keys(folder).intersection(project.by_key)

    def _export(self, project: Project, added: Sequence[tuple[MicrographEntry, Picks]]) -> None:
        """Write what the export lacks."""
        name, out = self._handover.format_name, self._handover.out
        if name is None or out is None or not self.picked or not (added or self._export_all):
            return
        listed = [entry for entry in project.entries if entry.key in self.picked]
        is_flat = unique_stems(listed)
        if self._export_all or format_named(name).is_table or is_flat != self._is_flat:
            export(project, name, out, export_options(project))
        else:
            new = {entry.key: picks for entry, picks in added}
            shapes = read_shapes([entry for entry, _ in added])
            picks = [(entry, new.get(entry.key, Picks.empty())) for entry in listed]
            export_picks(picks, name, out, export_options(project, shapes=shapes, only=new.keys()))
        self._export_all, self._is_flat = False, is_flat
