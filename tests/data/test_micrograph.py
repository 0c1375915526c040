"""Where a scaled image ends."""

import numpy as np
import pytest
from numpy.typing import NDArray

from cryoal.data.micrograph import edge_distance_px, image_edge_distance

PLACES = np.array([(50.0, 3.0), (50.0, 10.0), (2.0, 30.0), (97.0, 30.0), (50.0, 55.0), (50.0, 30.0)])


def valid() -> NDArray[np.bool_]:
    """An image of 60 × 100 pixels."""
    return np.ones((60, 100), bool)


def test_without_a_border_it_ends_at_the_edge() -> None:
    found = image_edge_distance(PLACES, valid())
    assert found == pytest.approx(edge_distance_px(PLACES, (60, 100)))
    assert found == pytest.approx([3.5, 10.5, 2.5, 2.5, 4.5, 29.5])


def test_a_dead_border_is_no_image() -> None:
    bordered = valid()
    bordered[:4], bordered[:, 97:] = False, False
    bordered[56:58] = False  # and two live lines beyond it
    assert image_edge_distance(PLACES, bordered) == pytest.approx([0, 6.5, 2.5, 0, 0.5, 25.5])


def test_what_is_dead_inside_or_in_part_of_a_line_is_no_border() -> None:
    holed = valid()
    holed[20:40, 20:80] = False
    holed[:4, :80] = False
    holed[30:32] = False
    assert image_edge_distance(PLACES, holed) == pytest.approx(image_edge_distance(PLACES, valid()))


def test_no_places() -> None:
    assert image_edge_distance(np.empty((0, 2)), valid()).shape == (0,)
