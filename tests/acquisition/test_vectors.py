"""Every reference case of ../shared/vectors through the adapter."""

import importlib.util
import json
import math
from pathlib import Path

import numpy as np
import pytest

_VECTORS = Path(__file__).resolve().parents[3] / "shared" / "vectors" / "vectors.json"
_SPEC = importlib.util.spec_from_file_location("vector_adapter", Path(__file__).with_name("vector_adapter.py"))
_ADAPTER = importlib.util.module_from_spec(_SPEC)
_SPEC.loader.exec_module(_ADAPTER)


def _functions():
    return json.loads(_VECTORS.read_text())["functions"] if _VECTORS.exists() else {}


def _cases():
    return [
        pytest.param(name, case, id=f"{name}-{case['id']}") for name, f in _functions().items() for case in f["cases"]
    ]


def _assert_close(found, expected, tolerance):
    if isinstance(expected, dict):
        assert found.keys() == expected.keys()
        for key, value in expected.items():
            _assert_close(found[key], value, tolerance)
    elif isinstance(expected, list):
        assert len(found) == len(expected)
        for one, other in zip(found, expected, strict=True):
            _assert_close(one, other, tolerance)
    elif expected is None:
        assert found is None
    elif math.isfinite(float(expected)):
        assert abs(float(found) - float(expected)) <= tolerance
    else:
        assert float(found) == float(expected)


@pytest.mark.skipif(not _VECTORS.exists(), reason="../shared/vectors is not there")
def test_every_function_has_an_adapter():
    assert set(_ADAPTER.ADAPTERS) == set(_functions())


@pytest.mark.parametrize(("name", "case"), _cases())
def test_reference_case(name, case):
    function = _ADAPTER.ADAPTERS[name]
    if "expected_error" in case:
        with pytest.raises(ValueError, match=r"\w+"):
            function(**case["input"])
    else:
        _assert_close(function(**case["input"]), case["expected"], case["tol_abs"])


@pytest.mark.parametrize("name", sorted(_functions()))
def test_inputs_are_not_modified(name):
    case = next(case for case in _functions()[name]["cases"] if "expected" in case)
    arrays = {k: np.array(v) if isinstance(v, list) and v and None not in v else v for k, v in case["input"].items()}
    before = {k: v.copy() if isinstance(v, np.ndarray) else v for k, v in arrays.items()}
    for value in arrays.values():
        if isinstance(value, np.ndarray):
            value.setflags(write=False)
    _ADAPTER.ADAPTERS[name](**arrays)
    for key, value in before.items():
        np.testing.assert_array_equal(arrays[key], value)
