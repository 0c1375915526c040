"""The loop as a user drives it: what the commands do, say and write."""

import json
import os
import pty
import re
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from cryoal.cli import console
from cryoal.io.relion import read
from cryoal.learner.progress import Progress
from cryoal.learner.project import Project
from cryoal.workspace.labelling import count_labels
from tests.command_line import DIAMETER, NAMES, ROOT, CommandLine, command_line, new_project, scored_project


@pytest.fixture
def cryoal() -> CommandLine:
    return command_line()


def next_step(out: str) -> str:
    """What a command advised to do next."""
    return out.splitlines()[-1].removeprefix("next: ")


@pytest.mark.slow
def test_whoever_follows_the_advice_gets_picks(cryoal: CommandLine, tmp_path: Path) -> None:
    project = new_project(tmp_path)
    out = cryoal.ok("init", "ws", "--micrographs", "Micrographs/*.mrc", "--diameter", DIAMETER, cwd=project)
    said, done = next_step(out), []
    said = said.rpartition("; ")[2]  # nothing is labelled yet: a query says which fields to mark
    for _ in range(12):
        found = re.search(r"cryoal ((\w+) [^;]*?)( says which fields to mark|;|$)", said)
        assert found, said
        command = found[1].replace("PICKS", "truth").replace("DIR", "out")
        command += {"train": " --members 2", "query": " --fields 8"}.get(found[2], "")
        done.append(found[2])
        out = cryoal.ok(*command.split(), cwd=project)
        if found[2] == "export":
            break
        assert next_step(cryoal.ok("status", "ws", cwd=project)) == next_step(out)
        said = next_step(out)
        if done.count("query") == 2 and found[2] == "score":
            said = said.partition("be content: ")[2]
    assert done == ["query", "label", "train", "score", "query", "label", "train", "score", "pick", "export"]
    assert (project / "out/autopick.star").exists()
    assert "give out/autopick.star to the next program" in out


def test_quiet_is_quiet_and_progress_ends(cryoal: CommandLine, tmp_path: Path) -> None:
    project = new_project(tmp_path)
    for command in (
        f"init ws --micrographs micrographs.star --diameter {DIAMETER}",
        "query ws --fields 8",
        "label ws truth --query ws/query.star",
        "train ws --members 2",
        "score ws",
        "pick ws",
        "export ws --out out",
        "evaluate --picks out --truth truth --diameter 165",
        "status ws",
    ):
        loud = cryoal(*command.split(), cwd=project)
        assert loud.status == 0
        assert loud.out.strip()
        for line in loud.err.splitlines():
            assert re.fullmatch(r"[a-z -]+: ([\d,]+)/\1, \d+ s", line), line
        quiet_command = command.replace("init ws", "init ws2")
        quiet = cryoal(*quiet_command.split(), "--quiet", cwd=project)
        assert (quiet.status, quiet.out, quiet.err) == (0, "", "")


def test_every_stage_of_run_is_shown_to_its_end(cryoal: CommandLine, tmp_path: Path) -> None:
    project = new_project(tmp_path)
    command = [
        "run",
        "--micrographs",
        "Micrographs/*.mrc",
        "--labels",
        "truth/a_01.star",
        "--labels",
        "truth/b_06.star",
    ]
    command += ["--complete", "--diameter", DIAMETER, "--out", "out", "--members", "2", "--format", "csv"]
    first = cryoal(*command, cwd=project)
    assert first.status == 0
    stages = [line.partition(":")[0] for line in first.err.splitlines()]
    assert stages == [
        "looking at micrographs",
        "reading labelled micrographs",
        "training",
        "judging on held-out labels",
        "scoring",
        "reading candidates",
    ]
    assert "give out/picks.csv to the next program" in first.out
    figures = cryoal.ok("evaluate", "--picks", "out", "--truth", "truth", "--diameter", DIAMETER, cwd=project)
    assert figures.splitlines()[-1].split()[:3] == ["all", first.out.split()[0], "105"]
    again = cryoal(*command, cwd=project)
    assert again.out == first.out
    assert [line.partition(":")[0] for line in again.err.splitlines()] == ["reading candidates"]
    command[command.index("--diameter") + 1] = "170"
    line = cryoal.refused(*command, cwd=project)
    assert "--diameter 165.0, now it is 170.0" in line
    assert "another --out" in line


def test_labels_are_imported_once(cryoal: CommandLine, tmp_path: Path) -> None:
    project = new_project(tmp_path)
    cryoal.ok("init", "ws", "--micrographs", "micrographs.star", "--diameter", DIAMETER, cwd=project)
    assert "1 micrographs named, added 16 particles" in cryoal.ok("label", "ws", "truth/a_01.star", cwd=project)
    assert "added nothing" in cryoal.ok("label", "ws", "truth/a_01.star", cwd=project)
    out = cryoal.ok("label", "ws", "truth/a_01.star", "--complete", cwd=project)
    assert "added 16 particles, 1 complete micrograph" in out
    assert "labels: 16 particles, 1 complete micrograph\n" in cryoal.ok("status", "ws", cwd=project)


@pytest.mark.parametrize("committee", ["dropout", "ensemble"])
def test_both_committees_disagree(cryoal: CommandLine, tmp_path: Path, committee: str) -> None:
    project = scored_project(tmp_path)
    cryoal.ok("train", "ws", "--committee", committee, "--members", 3, cwd=project)
    cryoal.ok("score", "ws", cwd=project)
    out = cryoal.ok("query", "ws", "--fields", 4, cwd=project)
    utilities = [float(line.split()[3]) for line in out.splitlines() if line.startswith("Micrographs/")]
    assert len(utilities) == 4
    assert all(utility > 0 for utility in utilities)


def test_a_higher_precision_keeps_fewer_picks(cryoal: CommandLine, tmp_path: Path) -> None:
    project, counts = scored_project(tmp_path), []
    for option in ("--precision 0.5", "--precision 0.9", "--threshold 1"):
        cryoal.ok("pick", "ws", *option.split(), cwd=project)
        picks = [read(path) for path in (project / "ws/rounds/0001/picks").rglob("*.star")]
        counts.append(sum(len(one) for some in picks for one in some.values()))
    assert counts[0] > counts[1] > counts[2]
    marked = count_labels(Project.open(project / "ws").labels())["particle"]
    assert counts[2] == marked > 10  # what the expert marked


def test_status_tells_whether_another_round_pays(cryoal: CommandLine, tmp_path: Path) -> None:
    project = scored_project(tmp_path)
    out = cryoal.ok("status", "ws", "--json", "now.json", cwd=project)
    told = " ".join(out.split())
    assert "another round is likely to pay because only one round is there to judge by; estimated precision" in told
    now = json.loads((project / "now.json").read_text())
    quality = now["outlook"]["quality"]
    assert quality["fields"] == 10
    assert 0 <= quality["recall"]["low"] <= quality["recall"]["value"] <= quality["recall"]["high"] <= 1
    assert f"recall {quality['recall']['value']:.2f} ({quality['recall']['low']:.2f} to" in told
    cryoal.ok("train", "ws", "--members", 2, "--seed", 5, "-q", cwd=project)
    second = json.loads((project / "ws/rounds/0002/metrics.json").read_text())
    assert 0 < second["embedding_cka"] < 1
    assert "embedding_cka" not in json.loads((project / "ws/rounds/0001/metrics.json").read_text())
    assert "likely to pay" in cryoal.ok("status", "ws", cwd=project)


def test_export_tells_which_round(cryoal: CommandLine, tmp_path: Path) -> None:
    project = scored_project(tmp_path)
    cryoal.ok("pick", "ws", cwd=project)
    cryoal.ok("train", "ws", "--members", 1, cwd=project)
    assert "round 1: " in cryoal.ok("export", "ws", "--out", "out", cwd=project)


def test_tables_of_a_log_are_not_folded(cryoal: CommandLine, tmp_path: Path) -> None:
    project = new_project(tmp_path)
    long = "Micrographs/" + "a_very_long_name_" * 8 + "end.mrc"
    (project / "Micrographs/a_01.mrc").rename(project / long)
    (project / "truth/a_01.star").rename(project / "truth" / Path(long).with_suffix(".star").name)
    command = ("init", "ws", "--micrographs", "Micrographs/*.mrc", "--diameter", DIAMETER)
    assert "6 micrographs" in cryoal.ok(*command, cwd=project)
    out = cryoal.ok("evaluate", "--picks", "truth", "--truth", "truth", "--diameter", DIAMETER, "--micrographs",
                    "ws/micrographs.star", cwd=project)  # fmt: skip
    row = next(line for line in out.splitlines() if line.startswith(long))
    assert row.split()[1:] == ["16", "16", "1.000", "1.000", "1.000", "–", "–", "0.000"]


def test_names_are_cut_from_the_left_on_a_narrow_terminal() -> None:
    code = (
        "from cryoal.cli import console\n"
        "names = [f'Micrographs/FoilHole_2409_Data_24{n}_20200101_fractions.mrc' for n in range(3)]\n"
        "heads = ['micrograph', 'picks', 'precision', 'recall', 'F1', 'AP']\n"
        "console.table('a title', heads, [[name, 1234, 0.5, 0.5, 0.5, 0.5] for name in names])\n"
    )
    master, slave = pty.openpty()
    environment = {**os.environ, "COLUMNS": "70", "PYTHONPATH": str(ROOT), "TERM": "xterm"}
    subprocess.run([sys.executable, "-c", code], env=environment, stdout=slave, check=True)
    os.close(slave)
    lines = re.sub(r"\x1b\[[\d;]*m|\r", "", os.read(master, 10_000).decode()).splitlines()
    os.close(master)
    assert len(lines) == 5
    assert all(len(line) <= 70 for line in lines)
    for n, line in enumerate(lines[2:]):
        assert re.match(rf"….*24{n}_20200101_fractions\.mrc +1,234 +0\.500", line), line


def test_work_that_breaks_off_is_closed(monkeypatch: pytest.MonkeyPatch) -> None:
    closed = []

    def work() -> Iterator[Progress | str]:
        try:
            yield Progress("working", 1, 1)
            yield "done"
        finally:
            closed.append(True)

    def interrupted(*_: object) -> None:
        raise KeyboardInterrupt

    kept = work()
    monkeypatch.setattr(console._Lines, "show", interrupted)
    monkeypatch.setattr(console._Bars, "show", interrupted)
    with pytest.raises(KeyboardInterrupt):
        console.run(kept, quiet=False)
    assert closed


@pytest.mark.parametrize("command", ["--version", "status --help"])
def test_a_reader_that_goes_away_is_no_bug(command: str) -> None:
    pipe = f"{sys.executable} -m cryoal {command} | true"
    done = subprocess.run(pipe, shell=True, cwd=ROOT, capture_output=True, text=True, check=False)
    assert done.stderr == ""


def test_shards_make_the_whole(cryoal: CommandLine, tmp_path: Path) -> None:
    project = scored_project(tmp_path)
    folder = project / "ws/rounds/0001/candidates"
    whole = {path.name: path.read_bytes() for path in folder.rglob("*.parquet")}
    assert len(whole) == len(NAMES)
    for path in folder.rglob("*.parquet"):
        path.unlink()
    seen = []
    for index in (3, 1, 4, 2):
        cryoal.ok("score", "ws", "--shard", f"{index}/4", "-q", cwd=project)
        seen.append(len(list(folder.rglob("*.parquet"))))
    assert seen == [1, 3, 4, 6]
    assert {path.name: path.read_bytes() for path in folder.rglob("*.parquet")} == whole
