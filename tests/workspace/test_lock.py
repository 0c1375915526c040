import json
import subprocess
import sys
from dataclasses import asdict, replace
from pathlib import Path

import pytest

from cryoal.errors import FileError, WorkspaceError, WorkspaceLockedError
from cryoal.workspace import lock
from cryoal.workspace.layout import Layout
from cryoal.workspace.lock import Holder, read_holder, writer_lock

HOLD = """
import sys, pathlib
from cryoal.workspace.lock import writer_lock
with writer_lock(pathlib.Path(sys.argv[1]), "cryoal train"):
    print("held", flush=True)
    sys.stdin.read()
"""
COUNT = """
import sys, pathlib, os
from cryoal.errors import WorkspaceLockedError
from cryoal.workspace.lock import writer_lock
lock, counter = map(pathlib.Path, sys.argv[1:])
done = 0
while done < 40:
    try:
        with writer_lock(lock, "count"):
            value = int(counter.read_text())
            os.sched_yield()
            counter.write_text(str(value + 1))
            done += 1
    except WorkspaceLockedError:
        pass
"""


def hold(path: Path) -> subprocess.Popen[str]:
    command = [sys.executable, "-c", HOLD, str(path)]
    process = subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)
    assert process.stdout is not None
    assert process.stdout.readline() == "held\n"
    return process


def plant(path: Path, holder: Holder) -> None:
    path.mkdir()
    (path / "holder.json").write_text(json.dumps(asdict(holder)))


def test_a_living_holder_is_respected_named_and_gone_after_release(tmp_path: Path) -> None:
    lock = Layout(tmp_path).rounds_lock
    with hold(lock) as process:
        with pytest.raises(WorkspaceLockedError, match="cryoal train is writing") as raised, writer_lock(lock, "x"):
            pass
        assert str(process.pid) in str(raised.value)
        assert f"delete {lock}" in str(raised.value)
        with writer_lock(Layout(tmp_path).labels_lock, "cryoal label"):
            pass
        process.communicate()
    with writer_lock(lock, "x") as holder:
        assert read_holder(lock) == holder
    assert list(tmp_path.iterdir()) == []


def test_a_killed_holder_is_taken_over(tmp_path: Path) -> None:
    lock = tmp_path / "lock"
    with hold(lock) as process:
        process.kill()
    dead = read_holder(lock)
    assert dead is not None
    assert dead.is_dead
    with writer_lock(lock, "x") as holder:
        assert read_holder(lock) == holder != dead


def test_a_process_of_the_same_number_that_started_later_is_not_the_holder(tmp_path: Path) -> None:
    with writer_lock(tmp_path / "lock", "x") as holder:
        assert not holder.is_dead
        assert replace(holder, process_start="1").is_dead


def test_a_holder_on_another_host_is_respected(tmp_path: Path) -> None:
    lock = tmp_path / "lock"
    plant(lock, Holder("node7", 1, "1", "cryoal train", "2025-01-01", "00"))
    with pytest.raises(WorkspaceLockedError, match="process 1 on node7 since 2025-01-01"), writer_lock(lock, "x"):
        pass
    assert read_holder(lock) is not None


def test_a_lock_taken_from_us_is_not_released_by_us(tmp_path: Path) -> None:
    lock = tmp_path / "lock"
    with writer_lock(lock, "x") as holder:
        (lock / "holder.json").write_text(json.dumps(asdict(replace(holder, token="other"))))
    assert read_holder(lock) is not None


@pytest.mark.parametrize("where", ["_acquire", "_release"])
def test_an_interruption_while_it_is_taken_or_given_back_leaves_no_lock(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, where: str
) -> None:
    path, real, calls = tmp_path / "lock", getattr(lock, where), []

    def interrupted(*arguments: object) -> None:
        calls.append(where)
        if where == "_acquire":
            real(*arguments)
        if len(calls) == 1:
            raise KeyboardInterrupt
        real(*arguments)

    monkeypatch.setattr(lock, where, interrupted)
    with pytest.raises(KeyboardInterrupt), writer_lock(path, "cryoal pick"):
        assert path.exists()
    assert not path.exists()


def test_an_empty_folder_is_no_lock_and_junk_is_named(tmp_path: Path) -> None:
    lock = tmp_path / "lock"
    lock.mkdir()
    with writer_lock(lock, "x"):
        pass
    lock.mkdir()
    (lock / "holder.json").write_text("{}")
    with pytest.raises(WorkspaceError, match="not a lock of cryoal"), writer_lock(lock, "x"):
        pass
    (lock / "holder.json").rename(lock / "junk")
    with pytest.raises(WorkspaceLockedError, match="delete it"), writer_lock(lock, "x"):
        pass
    lock = tmp_path / "file"
    lock.write_text("")
    with pytest.raises(FileError, match="file"), writer_lock(lock, "x"):
        pass


def test_many_writers_never_write_at_once_even_over_a_dead_lock(tmp_path: Path) -> None:
    lock, counter = tmp_path / "lock", tmp_path / "counter"
    counter.write_text("0")
    with hold(lock) as process:
        process.kill()
    writers = [subprocess.Popen([sys.executable, "-c", COUNT, str(lock), str(counter)]) for _ in range(4)]
    assert [writer.wait(60) for writer in writers] == [0] * 4
    assert counter.read_text() == str(4 * 40)
