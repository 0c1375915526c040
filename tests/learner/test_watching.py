"""Watching: whole files only, each scored once, picks and exports as if all had been there from the start."""

import shutil
from contextlib import closing
from dataclasses import replace
from pathlib import Path

import pytest

from cryoal.config import Config
from cryoal.errors import OptionError, WorkspaceLockedError
from cryoal.io import star
from cryoal.learner.arrivals import Settling
from cryoal.learner.kept_picks import Handover
from cryoal.learner.picks import export, export_options, newest_picks, pick
from cryoal.learner.project import NewWorkspace, Project, create
from cryoal.learner.watching import Watched, WatchOptions, watch
from cryoal.workspace.rounds import newest_round, next_round, read_info
from cryoal.workspace.set_aside import read_set_aside
from tests.command_line import DIAMETER, NAMES, command_line, new_project
from tests.learner.workspaces import result_of

QUICK = WatchOptions("cpu", every_seconds=0.01, once=True)


@pytest.fixture
def project(tmp_path: Path) -> Project:
    """A workspace of a glob that matches two micrographs; the other four lie in `away`."""
    root = new_project(tmp_path)
    (root / "away").mkdir()
    for name in sorted(NAMES)[2:]:
        (root / f"Micrographs/{name}.mrc").rename(root / f"away/{name}.mrc")
    new = NewWorkspace(root / "ws", "Micrographs/*.mrc", float(DIAMETER), particles_dark=True, root=root)
    return result_of(create(new, Config()))  # type: ignore[return-value]


def arrive(project: Project, *names: str) -> None:
    """Let micrographs appear."""
    for name in names:
        shutil.copyfile(project.root / f"away/{name}.mrc", project.root / f"Micrographs/{name}.mrc")


def watched(project: Project, options: WatchOptions = QUICK) -> list[Watched]:
    """Watch once, from what is on disk."""
    return [one for one in watch(Project.open(project.layout.root), options) if isinstance(one, Watched)]


def again(project: Project) -> None:
    """Publish the newest round's committee as one more round."""
    newest = newest_round(project.layout)
    with next_round(project.layout, read_info(newest)) as making:
        shutil.copytree(newest.members, making.members)
        for name in ("calibration", "centring", "metrics"):
            shutil.copyfile(getattr(newest, name), getattr(making, name))


def contents(folder: Path) -> dict[str, bytes]:
    """Files by name."""
    return {str(path.relative_to(folder)): path.read_bytes() for path in sorted(folder.rglob("*")) if path.is_file()}


def test_what_arrives_is_scored_and_picked(project: Project) -> None:
    reports = watched(project)
    assert [(one.added, one.scored, one.picked) for one in reports] == [(0, 2, 2)]
    assert watched(project) == []  # nothing to do, nothing said
    arrive(project, "a_05", "b_06")
    reports = watched(project)
    assert [(one.added, one.scored, one.micrographs, one.picked) for one in reports] == [(2, 2, 4, 4)]
    reopened = Project.open(project.layout.root)
    assert [entry.name for entry in reopened.entries] == [f"Micrographs/{name}.mrc" for name in sorted(NAMES)[:4]]
    assert {entry.pixel_size_angstrom for entry in reopened.entries} == {project.entries[0].pixel_size_angstrom}
    _, picks = newest_picks(reopened)
    assert all(len(found) > 3 for _, found in picks)


@pytest.mark.parametrize("name", ["relion", "eman", "csv"])
def test_an_export_kept_up_to_date_is_that_of_one_go(project: Project, name: str) -> None:
    out = project.root / "kept"
    options = replace(QUICK, handover=Handover(0.3, None, name, out))
    for arrived in ((), ("a_05",), ("b_06",)):
        arrive(project, *arrived)
        watched(project, options)
    whole = Project.open(project.layout.root)
    folder = project.layout.round(1).picks_folder
    kept, exported = contents(folder), contents(out)
    assert len([path for path in kept if path.endswith(".star")]) == 4
    result_of(pick(whole, 0.3))
    assert contents(folder) | {"rule.json": b""} == kept | {"rule.json": b""}
    shutil.rmtree(out)
    export(whole, name, out, export_options(whole))
    assert contents(out) == exported


def test_one_more_micrograph_leaves_the_others_files_alone(project: Project) -> None:
    out = project.root / "kept"
    options = replace(QUICK, handover=Handover(0.3, None, "relion", out))
    arrive(project, "a_05")
    before: dict[Path, int] = {}
    with closing(watch(Project.open(project.layout.root), replace(options, once=False))) as reports:
        for report in reports:
            if not isinstance(report, Watched):
                continue
            now = {path: path.stat().st_ino for path in (project.root / "kept/Micrographs").glob("*.star")}
            now |= {path: path.stat().st_ino for path in project.layout.round(1).picks_folder.rglob("*.star")}
            if report.micrographs == 3 and not before:
                before = now
                assert len(before) == 2 * 3
                arrive(project, "b_06")
            elif report.micrographs == 4:
                break
    assert len(now) == 2 * 4
    assert before.items() <= now.items()


def test_the_threshold_is_chosen_anew_when_the_micrographs_have_doubled(project: Project) -> None:
    rule = project.layout.round(1).picks_folder / "rule.json"
    numbers = []
    for arrived in ((), ("a_05",), ("b_06",), ("b_07",)):
        arrive(project, *arrived)
        watched(project)
        numbers.append(rule.read_text().partition('"micrographs": ')[2][0])
    assert numbers == ["2", "2", "4", "4"]


def test_a_file_that_still_grows_waits(tmp_path: Path) -> None:
    path, other, settling = tmp_path / "a", tmp_path / "b", Settling()
    path.write_bytes(b"12")
    other.write_bytes(b"")
    assert settling.settled([path, other]) == set()
    path.write_bytes(b"1234")
    assert settling.settled([path, other]) == set()
    assert len(settling) == 1
    assert settling.settled([path, other]) == {path}
    assert len(settling) == 0


def test_what_cannot_be_read_is_set_aside_and_tried_again_when_it_changes(project: Project) -> None:
    whole = (project.root / "away/a_05.mrc").read_bytes()
    place = project.root / "Micrographs/a_05.mrc"
    place.write_bytes(whole[:5000])
    tries = []
    with closing(watch(Project.open(project.layout.root), replace(QUICK, once=False))) as reports:
        for report in reports:
            if not isinstance(report, Watched):
                continue
            tries.append((report.added, report.scored, len(report.set_aside)))
            if report.set_aside:
                assert "truncated" in report.set_aside[0]
                assert list(read_set_aside(project.layout)) == ["Micrographs/a_05"]
                place.write_bytes(whole)
            elif report.micrographs == 3:
                break
    assert tries[-2:] == [(1, 0, 1), (0, 1, 0)]
    assert read_set_aside(project.layout) == {}
    place.write_bytes(b"no image")
    assert watched(project) == []  # what is scored stays so


def test_a_pixel_size_is_learnt_when_a_file_is_mended(project: Project) -> None:
    place = project.root / "Micrographs/b_10.mrc"
    place.write_bytes(b"no header")
    assert "not an MRC file" in watched(project)[-1].set_aside[0]
    shutil.copyfile(project.root / "away/b_10.mrc", place)
    assert watched(project)[-1].scored == 1
    last = Project.open(project.layout.root).entries[-1]
    assert last.pixel_size_angstrom == project.entries[0].pixel_size_angstrom


def test_new_rows_of_a_star_file_are_new_micrographs(tmp_path: Path) -> None:
    root = new_project(tmp_path)
    listed = root / "list.star"

    def names(*stems: str) -> None:
        star.write(listed, {"micrographs": {"rlnMicrographName": [f"Micrographs/{stem}.mrc" for stem in stems]}})

    names("a_05", "a_01")
    new = NewWorkspace(root / "ws", "list.star", float(DIAMETER), particles_dark=True, root=root)
    project: Project = result_of(create(new, Config()))  # type: ignore[assignment]
    assert watched(project)[-1].scored == 2
    names("a_05", "a_01", "b_07", "missing")
    report = watched(project)[-1]
    assert (report.added, report.scored, report.waiting) == (1, 1, 0)
    listed.write_text(listed.read_text()[:60])  # being written
    assert watched(project) == []
    assert len(Project.open(project.layout.root).entries) == 3


def test_older_picks_stay_until_a_new_round_has_scored_all(project: Project, monkeypatch: pytest.MonkeyPatch) -> None:
    watched(project)
    again(project)
    monkeypatch.setattr("cryoal.learner.watching._BATCH", 1)
    reports = watch(Project.open(project.layout.root), QUICK)
    numbers = [(newest_picks(project)[0].number, one.picked) for one in reports if isinstance(one, Watched)]
    assert numbers == [(1, 0), (2, 2)]


def test_one_watch_at_a_time(project: Project) -> None:
    with closing(watch(project, QUICK)) as first:
        next(first)
        with pytest.raises(WorkspaceLockedError, match="cryoal watch is writing"):
            next(watch(project, QUICK))
    assert watched(project)


@pytest.mark.parametrize(
    ("changes", "said"),
    [
        ({"every_seconds": 0.0}, "--every: 0.0"),
        ({"every_seconds": float("nan")}, "--every"),
        ({"workers": 0}, "--workers"),
    ],
)
def test_wrong_options_are_refused(changes: dict[str, float], said: str) -> None:
    with pytest.raises(OptionError, match=said):
        WatchOptions(**changes)  # type: ignore[arg-type]


def test_an_export_needs_both_options() -> None:
    with pytest.raises(OptionError, match="--export and --out"):
        Handover(format_name="relion")
    with pytest.raises(OptionError, match="'xyz' is not known"):
        Handover(format_name="xyz", out=Path("out"))


def test_the_command_is_stopped_by_an_interrupt(project: Project) -> None:
    import signal

    cryoal, root = command_line(), project.root
    out = cryoal.ok("watch", "ws", "--once", "--every", 0.1, cwd=root)
    assert "0 new, 2 scored, 0 to score, 0 still written to; 2 micrographs, 2 with picks of round 1" in out
    stopped = cryoal("watch", "ws", "--every", 0.1, cwd=root, killed_after=3.0, by=signal.SIGINT)
    assert stopped.status == 130
    assert "interrupted" in stopped.error_line
    assert not project.layout.micrographs_lock.exists()
    assert cryoal.refused("watch", "ws", "--export", "relion", cwd=root)
