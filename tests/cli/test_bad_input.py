"""What a user may get wrong: one line that names the file, the value and the remedy, and exit status 2."""

import re
import shutil
from collections.abc import Callable
from pathlib import Path

import pytest

from cryoal.workspace.layout import Layout
from cryoal.workspace.lock import writer_lock
from tests.command_line import CommandLine, command_line, new_project, scored_project

INIT = "init new --micrographs micrographs.star --diameter 165"


@pytest.fixture
def cryoal() -> CommandLine:
    return command_line()


@pytest.fixture(scope="module")
def project(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A scored project, with picks and files that nobody should hand us; the commands below change nothing in it."""
    folder = scored_project(tmp_path_factory.mktemp("bad"))
    command_line().ok("pick", "ws", cwd=folder)
    command_line().ok("query", "ws", "--level", "micrograph", cwd=folder)
    for name, text in {
        "empty.star": "",
        "no_columns.star": "data_\n\nloop_\n_rlnFoo #1\n1\n",
        "no_rows.star": "data_\n\nloop_\n_rlnMicrographName #1\n\n",
        "gone.star": "data_\n\nloop_\n_rlnMicrographName #1\nMicrographs/gone.mrc\n",
        "twice.star": "data_\n\nloop_\n_rlnMicrographName #1\nMicrographs/a_01.mrc\nMicrographs/a_01.mrc\n",
        "stranger.star": coordinates([("Micrographs/zz.mrc", 5, 5)]),
        "outside/a_01.star": coordinates([(None, 5, 5), (None, 1000, 20), (None, 1001, 20)]),
        "text/a_01.star": "data_\n\nloop_\n_rlnCoordinateX #1\n_rlnCoordinateY #2\nabc 20\n",
        "no_marks/a_01.star": coordinates([]),
        "broken/text.mrc": "this is no image",
        "broken/nothing.mrc": "",
    }.items():
        (folder / name).parent.mkdir(exist_ok=True)
        (folder / name).write_text(text)
    return folder


def coordinates(rows: list[tuple[str | None, float, float]]) -> str:
    """A coordinate file as text."""
    named = any(name for name, _, _ in rows)
    labels = [*(["_rlnMicrographName"] if named else []), "_rlnCoordinateX", "_rlnCoordinateY"]
    lines = [" ".join([*([name] if name else []), str(x), str(y)]) for name, x, y in rows]
    return "\n".join(["data_", "", "loop_", *labels, *lines, ""])


@pytest.mark.parametrize(
    ("command", "told"),
    [
        ("nope", ["nope", "cryoal --help"]),
        ("init", ["WORKSPACE", "cryoal init --help"]),
        ("init new --diameter 165", ["--micrographs", "cryoal init --help"]),
        ("status ws --frob", ["--frob"]),
        ("init ws --micrographs micrographs.star --diameter 165", ["ws", "is a workspace already", "delete"]),
        *(
            (f"init new --micrographs micrographs.star --diameter {d}", ["--diameter"])
            for d in ("0", "-3", "nan", "inf")
        ),
        ("init new --micrographs micrographs.star --diameter wide", ["--diameter"]),
        ("init new --micrographs micrographs.star --diameter 800", ["--diameter", "800", "1480 Å", "--pixel-size"]),
        (f"{INIT} --pixel-size 0", ["--pixel-size", "0", "above 0"]),
        (f"{INIT} --polarity blue", ["--polarity", "'blue'", "auto, dark or light"]),
        (f"{INIT} --seed -1", ["--seed"]),
        ("init new --diameter 165 --micrographs none/*.mrc", ["none/*.mrc", "quote the glob"]),
        ("init new --diameter 165 --micrographs Micrographs", ["Micrographs", "'Micrographs/*.mrc'"]),
        ("init new --diameter 165 --micrographs empty.star", ["empty.star", "_rlnMicrographName"]),
        ("init new --diameter 165 --micrographs no_columns.star", ["_rlnMicrographName", "rlnFoo"]),
        ("init new --diameter 165 --micrographs no_rows.star", ["no_rows.star", "lists no micrographs"]),
        ("init new --diameter 165 --micrographs gone.star", ["Micrographs/gone.mrc", "project folder"]),
        ("init new --diameter 165 --micrographs twice.star", ["Micrographs/a_01.mrc", "twice"]),
        ("init new --diameter 165 --micrographs broken/text.mrc", ["broken/text.mrc", "MRC"]),
        ("init new --diameter 165 --micrographs broken/nothing.mrc", ["broken/nothing.mrc", "empty"]),
        ("init micrographs.star/new --micrographs micrographs.star --diameter 165 -q", ["file of this name"]),
        *((f"{name} nowhere", ["nowhere", "not a workspace", "cryoal init"]) for name in ("status", "train", "score")),
        *((f"{name} nowhere", ["nowhere", "not a workspace"]) for name in ("query", "pick", "export --out o")),
        ("status micrographs.star", ["micrographs.star", "not a workspace"]),
        ("label ws gone/no.star", ["gone/no.star", "No such file"]),
        ("label ws Micrographs/a_01.mrc", ["Micrographs/a_01.mrc", "known format"]),
        ("label ws Micrographs", ["Micrographs", "no coordinate file"]),
        ("label ws no_columns.star", ["no_columns.star", "known format"]),
        ("label ws stranger.star", ["stranger.star", "Micrographs/zz.mrc"]),
        ("label ws outside/a_01.star", ["outside/a_01.star", "2 of 3", "416 × 370", "x 1000, y 20"]),
        ("label ws text/a_01.star", ["text/a_01.star", "line 6", "'abc'"]),
        ("label ws no_marks/a_01.star", ["no_marks/a_01.star", "no positions", "--complete"]),
        ("label ws truth truth/a_01.star", ["both hold picks", "Micrographs/a_01.mrc"]),
        ("label ws truth --as maybe", ["--as", "'maybe'", "particle or rejected"]),
        ("label ws truth --as rejected --complete", ["--complete", "rejected"]),
        ("label ws truth --as particle --query ws/query.star", ["--as and --query"]),
        ("label ws truth --query gone.star", ["gone.star", "_cryoalFieldX"]),
        ("label ws truth --query ws/rounds/0001/query.star", ["whole micrographs", "--complete"]),
        ("label ws truth --format foo", ["--format", "'foo'", "relion"]),
        ("label ws truth --cs-y up", ["--cs-y", "'up'", "inverted"]),
        ("train ws --device gpu", ["--device", "'gpu'", "auto, cpu"]),
        ("train ws --device cuda:97", ["--device", "cuda:97", "--device cpu"]),
        ("train ws --device mps", ["--device", "'mps'", "auto, cpu"]),
        ("train ws --members 0", ["members", "0", "1 member or more"]),
        ("train ws --committee jury", ["committee", "'jury'", "dropout"]),
        ("score ws --device foo", ["--device", "'foo'"]),
        *((f"score ws --shard {value}", ["--shard", value, "I/N"]) for value in ("0/4", "5/4", "x", "1", "1/0", "/")),
        ("score ws --workers 0", ["--workers", "0"]),
        ("query ws --strategy foo", ["'foo'", "bald"]),
        ("query ws --fields 27", ["--fields", "27", "26 fields", "1 to 26"]),
        ("query ws --fields 0", ["--fields", "0 is not allowed"]),
        ("query ws --level micrograph --fields 7", ["--fields", "7", "6 micrographs"]),
        ("query ws --aggregation median", ["--aggregation", "'median'", "topk_mean"]),
        ("query ws --budget-seconds 60", ["--budget-seconds", "--level micrograph"]),
        ("query ws --level micrograph --budget-seconds 1", ["budget", "1 seconds", "cheapest"]),
        ("query ws --level micrograph --budget-seconds nan", ["budget", "nan"]),
        ("query ws --level micrograph --budget-seconds 60 --fields 2", ["--fields and --budget-seconds"]),
        ("query ws --level micrograph --budget-seconds 60 --strategy k-center", ["k-center", "same utility"]),
        ("status ws -q --json truth", ["truth", "folder of this name"]),
        ("query ws --level hole", ["--level", "'hole'", "micrograph"]),
        *((f"pick ws --threshold {value}", ["--threshold", value]) for value in ("2", "-1", "nan")),
        *((f"pick ws --precision {value}", ["--precision", value]) for value in ("1.5", "0", "nan")),
        ("pick ws -q --precision 0.999999", ["0.999999", "cannot be reached", "label more"]),
        ("pick ws --threshold 0.5 --precision 0.5", ["--threshold and --precision"]),
        ("export ws --out o --format foo", ["--format", "'foo'", "cryosparc"]),
        ("export ws --out micrographs.star", ["micrographs.star", "file of this name"]),
        ("export ws --out o --box-size 0", ["box size", "0"]),
        ("export ws --out o --format cryosparc --exposures no.cs", ["no.cs", "No such file"]),
        ("evaluate --picks ws --truth nowhere --diameter 165", ["nowhere", "does not exist"]),
        ("evaluate --picks nowhere --truth truth --diameter 165", ["nowhere", "cannot be read"]),
        ("evaluate --picks truth --truth stranger.star --diameter 165", ["stranger.star", "zz.mrc", "--micrographs"]),
        ("evaluate --picks truth --truth truth --diameter 0", ["--diameter", "0"]),
        ("evaluate --picks truth --truth truth --diameter 165 --radius -1", ["--radius", "-1"]),
        ("evaluate --picks truth --truth truth --diameter 165 --json truth -q", ["truth", "folder of this name"]),
        ("run --micrographs micrographs.star --labels truth --diameter 165 --out r --format foo", ["'foo'"]),
        ("run --micrographs micrographs.star --labels truth --diameter 165 --out r --precision 3", ["--precision"]),
    ],
)
def test_one_line_names_what_is_wrong(cryoal: CommandLine, project: Path, command: str, told: list[str]) -> None:
    line = cryoal.refused(*command.split(), cwd=project)
    assert [part for part in told if part not in line] == [], line
    assert not re.search(r"Traceback|Error\(|\(None\)", line)
    assert not (project / "new").exists()
    assert not (project / "r").exists()


def test_carriage_returns_are_no_error(cryoal: CommandLine, tmp_path: Path) -> None:
    project = new_project(tmp_path)
    for file in ("micrographs.star", "truth/a_01.star"):
        (project / file).write_bytes((project / file).read_bytes().replace(b"\n", b"\r\n"))
    cryoal.ok(*INIT.split(), cwd=project)
    assert "16 particles" in cryoal.ok("label", "new", "truth/a_01.star", cwd=project)


def test_a_name_that_fits_two_micrographs(cryoal: CommandLine, tmp_path: Path) -> None:
    project = new_project(tmp_path)
    shutil.copytree(project / "Micrographs", project / "Other")
    cryoal.ok("init", "new", "--micrographs", "*/*.mrc", "--diameter", 165, cwd=project)
    line = cryoal.refused("label", "new", "truth/a_01.star", cwd=project)
    assert "may mean 2 micrographs" in line
    assert "Other/a_01.mrc" in line


def test_init_leaves_nothing_where_the_pixel_size_is_missing(cryoal: CommandLine, tmp_path: Path) -> None:
    project = new_project(tmp_path)
    for path in (project / "Micrographs").iterdir():
        data = bytearray(path.read_bytes())
        data[40:52] = bytes(12)  # the cell's lengths
        path.unlink()
        path.write_bytes(data)
    assert "--pixel-size" in cryoal.refused(*INIT.split(), cwd=project)
    assert not (project / "new").exists()
    cryoal.ok(*INIT.split(), "--pixel-size", 4, cwd=project)


def test_a_workspace_of_a_newer_version(cryoal: CommandLine, tmp_path: Path) -> None:
    project = new_project(tmp_path)
    cryoal.ok(*INIT.split(), cwd=project)
    settings = project / "new" / "workspace.toml"
    settings.write_text(settings.read_text().replace("format_version = 1", "format_version = 99"))
    line = cryoal.refused("status", "new", cwd=project)
    assert "new/workspace.toml" in line
    assert "99" in line
    assert "update cryoal" in line


@pytest.mark.parametrize(
    ("break_it", "command", "told"),
    [
        (lambda ws: (ws / "labels.jsonl").write_text('{"what": "label"}\n'), "status ws", ["labels.jsonl, line 1"]),
        (lambda ws: (ws / "rounds/0001/round.json").write_text("x"), "status ws", ["round.json", "train again"]),
        (lambda ws: (ws / "rounds/0001/metrics.json").unlink(), "status ws", ["metrics.json", "train again"]),
        (lambda ws: (ws / "rounds/0001/calibration.json").write_text("{}"), "score ws", ["calibration.json"]),
        (lambda ws: (ws / "rounds/0001/centring.json").write_text("x"), "score ws", ["centring.json", "train again"]),
        (lambda ws: (ws / "rounds/0001/members/member1.safetensors").write_text("x"), "score ws", ["member1"]),
        (lambda ws: shutil.rmtree(ws / "rounds/0001/members"), "score ws", ["members", "cryoal train"]),
        (
            lambda ws: (ws / "rounds/0001/candidates/Micrographs/a_01.parquet").write_text("x"),
            "pick ws -q",
            ["a_01.parquet", "delete it"],
        ),
        (lambda ws: (ws / "micrographs.star").unlink(), "status ws", ["ws/micrographs.star"]),
    ],
)
def test_a_broken_file_of_the_workspace_is_named(
    cryoal: CommandLine, tmp_path: Path, break_it: Callable[[Path], object], command: str, told: list[str]
) -> None:
    project = scored_project(tmp_path)
    break_it(project / "ws")
    line = cryoal.refused(*command.split(), cwd=project)
    assert [part for part in told if part not in line] == [], line


@pytest.mark.parametrize(
    ("command", "lock"),
    [
        ("label ws truth/a_01.star", "labels_lock"),
        ("train ws -q", "rounds_lock"),
        ("query ws", "rounds_lock"),
        ("pick ws -q", "rounds_lock"),
    ],
)
def test_a_second_writer_is_told_who_is_first(cryoal: CommandLine, tmp_path: Path, command: str, lock: str) -> None:
    project = scored_project(tmp_path)
    with writer_lock(getattr(Layout(project / "ws"), lock), "cryoal train") as holder:
        line = cryoal.refused(*command.split(), cwd=project)
        assert f"cryoal train is writing, process {holder.pid}" in line
        assert "delete" in line
        cryoal.ok("status", "ws", cwd=project)
        cryoal.ok("score", "ws", cwd=project)
    cryoal.ok(*command.split(), cwd=project)


def test_labels_that_teach_nothing(cryoal: CommandLine, tmp_path: Path) -> None:
    project = new_project(tmp_path)
    cryoal.ok(*INIT.split(), cwd=project)
    (project / "one.star").write_text(coordinates([("Micrographs/a_01.mrc", 100, 100)]))
    cryoal.ok("label", "new", "one.star", "--as", "rejected", cwd=project)
    assert "1 rejected" in cryoal.ok("status", "new", cwd=project)
    assert "no particle is labelled" in cryoal.refused("train", "new", cwd=project)
    assert "no committee is trained" in cryoal.refused("pick", "new", cwd=project)
    assert "needs a committee" in cryoal.refused("query", "new", "--strategy", "bald", cwd=project)
    cryoal.ok("label", "new", "one.star", "--as", "particle", cwd=project)
    out = cryoal.ok("train", "new", "--members", 2, cwd=project)
    assert "learnt from 1 particle" in out
    assert "not calibrated" in out
    assert "written to new/rounds/0001/query.star" in cryoal.ok("query", "new", cwd=project)  # of the cold start
    cryoal.ok("score", "new", cwd=project)
    cryoal.ok("pick", "new", cwd=project)
