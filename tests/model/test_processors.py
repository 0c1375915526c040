"""How many processors may be used."""

import os

import pytest
import torch

from cryoal.model import processors as module
from cryoal.model.processors import processors


@pytest.mark.parametrize(
    ("threads", "allowed", "granted", "expected"),
    [(8, 8, None, 8), (4, 8, None, 4), (8, 2, None, 2), (8, 8, 2.5, 2), (8, 8, 0.5, 1), (1, 8, 4.0, 1)],
)
def test_the_fewest_of_what_is_told_allowed_and_granted(monkeypatch, threads, allowed, granted, expected):
    monkeypatch.setattr(torch, "get_num_threads", lambda: threads)
    monkeypatch.setattr(os, "sched_getaffinity", lambda _: set(range(allowed)))
    monkeypatch.setattr(module, "cpu_limit", lambda: granted)
    assert processors() == expected
