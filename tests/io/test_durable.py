import errno
import os
import platform
import shutil
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from cryoal.errors import FileError
from cryoal.io import durable


def hidden(folder: Path) -> list[Path]:
    return [path for path in folder.rglob("*") if durable.is_temporary(path)]


@pytest.mark.parametrize(("data", "expected"), [("Å\r\n", "Å\r\n".encode()), (b"\0\xff", b"\0\xff"), ("", b"")])
def test_write_atomic_writes_the_bytes_and_makes_folders(tmp_path: Path, data: bytes | str, expected: bytes) -> None:
    path = tmp_path / "a" / "b" / "c.star"
    durable.write_atomic(path, "old")
    durable.write_atomic(path, data)
    assert path.read_bytes() == expected
    assert hidden(tmp_path) == []


def test_atomic_path_keeps_the_suffixes_and_the_old_file_when_the_writer_fails(tmp_path: Path) -> None:
    path = tmp_path / "a.mrc.gz"
    path.write_text("old")
    with pytest.raises(ZeroDivisionError), durable.atomic_path(path) as temporary:
        assert temporary.suffixes[-2:] == [".mrc", ".gz"]
        assert temporary.parent == tmp_path
        temporary.write_text("half")
        _ = 1 / 0
    assert path.read_text() == "old"
    assert hidden(tmp_path) == []


def test_atomic_path_leaves_an_error_about_another_file_alone(tmp_path: Path) -> None:
    with pytest.raises(FileNotFoundError), durable.atomic_path(tmp_path / "a"):
        (tmp_path / "other").read_text()


@pytest.mark.parametrize(
    ("number", "words"),
    [(errno.ENOSPC, "full"), (errno.EDQUOT, "quota"), (errno.EACCES, "not allowed"), (errno.EIO, "cannot be written")],
)
def test_a_failed_write_names_the_file_and_the_remedy(tmp_path: Path, number: int, words: str) -> None:
    path = tmp_path / "a.txt"
    with pytest.raises(FileError, match=words) as raised, durable.atomic_path(path):
        raise OSError(number, os.strerror(number))
    assert str(path) in str(raised.value)
    assert "\n" not in str(raised.value)


def test_a_folder_or_a_file_in_the_way_is_named(tmp_path: Path) -> None:
    (tmp_path / "folder").mkdir()
    (tmp_path / "file").write_text("")
    with pytest.raises(FileError, match="there is a folder of this name"):
        durable.write_atomic(tmp_path / "folder", "x")
    with pytest.raises(FileError, match="file: there is a file of this name, a folder is needed"):
        durable.write_atomic(tmp_path / "file" / "x", "x")
    assert hidden(tmp_path) == []


@pytest.mark.skipif(not Path("/dev/full").exists(), reason="needs /dev/full")
def test_a_full_device_is_told(tmp_path: Path) -> None:
    (tmp_path / "log").symlink_to("/dev/full")
    with pytest.raises(FileError, match="the disk or the quota is full"):
        durable.append_line(tmp_path / "log", "x")


def test_append_is_all_or_nothing(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = tmp_path / "log"
    durable.append_lines(path, ["one", "two"])
    write = os.write

    def half(descriptor: int, data: memoryview) -> int:
        if len(data) <= 8:
            raise OSError(errno.ENOSPC, "full")
        return write(descriptor, data[: len(data) // 2])

    monkeypatch.setattr(os, "write", half)
    with pytest.raises(FileError, match="full"):
        durable.append_lines(path, ["three", "four", "five"])
    monkeypatch.undo()
    assert path.read_text() == "one\ntwo\n"
    durable.append_lines(path, [])
    assert path.read_text() == "one\ntwo\n"


@pytest.mark.parametrize("kept", ["", "a\n", "a\n" + "b" * 9000 + "\n"])
@pytest.mark.parametrize("torn", ["", "x", "x" * 4096, "x" * 10000])
def test_append_cuts_a_torn_last_line(tmp_path: Path, kept: str, torn: str) -> None:
    path = tmp_path / "log"
    path.write_text(kept + torn)
    durable.append_line(path, "next")
    assert path.read_text() == kept + "next\n"


def test_publish_directory_moves_the_whole_and_never_over_another(tmp_path: Path) -> None:
    final = tmp_path / "0001"
    for content in ("first", "second"):
        temporary = durable.temporary_sibling(final)
        durable.write_atomic(temporary / "deep" / "x", content)
        if content == "first":
            durable.publish_directory(temporary, final)
        else:
            with pytest.raises(FileError, match="already there"):
                durable.publish_directory(temporary, final)
    assert (final / "deep" / "x").read_text() == "first"


def test_files_of_a_folder_in_the_making_reach_the_disk_once_before_it_is_published(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    synced: list[str] = []
    fsync = os.fsync

    def noted(descriptor: int) -> None:
        synced.append(str(Path(f"/proc/self/fd/{descriptor}").readlink()))
        fsync(descriptor)

    monkeypatch.setattr(os, "fsync", noted)
    making = durable.temporary_sibling(tmp_path / "final")
    durable.make_folder(making / "inner")
    synced.clear()
    durable.write_atomic(making / "inner" / "a.txt", "a")
    assert not synced
    durable.publish_directory(making, tmp_path / "final")
    in_making = [str(making / "inner" / "a.txt"), str(making / "inner"), str(making)]
    assert sorted(synced[:-1]) == sorted(in_making)
    assert synced[-1] == str(tmp_path)
    synced.clear()
    durable.write_atomic(tmp_path / "final" / "b.txt", "b")
    assert len(synced) == 2


def test_leftovers_of_the_dead_go_and_those_of_the_living_stay(tmp_path: Path) -> None:
    code = (
        "import sys, pathlib; from cryoal.io.durable import temporary_sibling as sibling\n"
        "p = pathlib.Path(sys.argv[1]); (p / 'deep').mkdir()\n"
        "sibling(p / 'deep' / 'a').write_text(''); sibling(p / 'b').mkdir()"
    )
    subprocess.run([sys.executable, "-c", code, str(tmp_path)], check=True)
    elsewhere = tmp_path / ".cryoal-tmp-1-00-another_host~a"
    alive = durable.temporary_sibling(tmp_path / "a")
    for path in (elsewhere, alive, tmp_path / ".hidden"):
        path.write_text("")
    assert len(hidden(tmp_path)) == 4
    durable.remove_leftovers(tmp_path)
    assert set(hidden(tmp_path)) == {elsewhere, alive}
    assert (tmp_path / ".hidden").exists()


@pytest.fixture
def small_disk(tmp_path: Path) -> Iterator[Path]:
    """A disk of 256 kB."""
    folder = tmp_path / "disk"
    folder.mkdir()
    command = ["mount", "-t", "tmpfs", "-o", "size=256k", "none", str(folder)]
    if not shutil.which("mount") or subprocess.run(command, capture_output=True, check=False).returncode:
        pytest.skip("may not mount a small tmpfs here")
    yield folder
    subprocess.run(["umount", str(folder)], check=True)


def test_a_full_disk_loses_nothing_that_was_there(small_disk: Path) -> None:
    file, log = small_disk / "a", small_disk / "log"
    durable.write_atomic(file, "old")
    durable.append_line(log, "old")
    with pytest.raises(FileError, match="a: the disk or the quota is full"):
        durable.write_atomic(file, b"x" * 1_000_000)
    with pytest.raises(FileError, match="log: the disk or the quota is full"):
        durable.append_lines(log, ["x" * 1000] * 1000)
    assert (file.read_text(), log.read_text()) == ("old", "old\n")
    assert hidden(small_disk) == []
    durable.write_atomic(file, "new")
    durable.append_line(log, "new")
    assert (file.read_text(), log.read_text()) == ("new", "old\nnew\n")


def test_a_folder_is_removed_with_all_that_is_in_it_and_nothing_that_it_links_to(tmp_path: Path) -> None:
    elsewhere = tmp_path / "elsewhere"
    durable.write_atomic(elsewhere / "kept", "")
    folder = tmp_path / "folder"
    for number in range(100):
        durable.write_atomic(folder / str(number % 3) / f"{number}.star", "")
    (folder / "linked").symlink_to(elsewhere)
    durable.remove_folder(folder)
    assert not folder.exists()
    assert (elsewhere / "kept").exists()
    durable.remove_folder(folder)


def test_many_files_are_written_and_none_is_begun_after_a_failure(tmp_path: Path) -> None:
    paths = [tmp_path / f"deep/{i}" for i in range(40)]
    durable.write_many(zip(paths, map(str, range(40)), strict=True))
    assert [path.read_text() for path in paths] == [str(i) for i in range(40)]
    begun = []

    def contents() -> Iterator[tuple[Path, str]]:
        for number in range(500):
            begun.append(number)
            yield tmp_path / "deep", "a folder has that name"

    with pytest.raises(FileError, match="deep"):
        durable.write_many(contents())
    assert len(begun) < 500


def test_leftovers_beside_a_folder_that_another_process_takes_away(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    dead = tmp_path / f".cryoal-tmp-{2**22 + 1}-00-{platform.node()}~picks.star"
    dead.write_text("half a file")
    gone = tmp_path / "gone"
    gone.mkdir()
    scandir = os.scandir

    def without(path: str) -> object:
        if Path(path) == gone:
            raise FileNotFoundError(path)
        return scandir(path)

    with monkeypatch.context() as patched:
        patched.setattr(os, "scandir", without)
        durable.remove_leftovers(tmp_path)
    assert not dead.exists()
