"""The public names: each is there, documented, and costs nothing until it is used."""

import subprocess
import sys

import cryoal


def test_every_public_name_is_there_and_documented() -> None:
    for name in cryoal.__all__:
        value = getattr(cryoal, name)
        assert isinstance(value, (str, dict)) or value.__doc__, name


def test_an_unknown_name_is_refused() -> None:
    assert not hasattr(cryoal, "no_such_name")


def test_import_loads_none_of_them() -> None:
    code = "import sys, cryoal; print(sorted(m for m in sys.modules if m.startswith('cryoal.')))"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]"
