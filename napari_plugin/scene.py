"""The layers: made once, their data swapped; the only module that turns (x, y) into napari's (y, x)."""

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from cryoal.data.labels import Field
from napari_plugin.images import DisplayImage, Shown
from napari_plugin.marks import Marks, State

if TYPE_CHECKING:
    from napari.components import ViewerModel

YELLOW, CYAN, VERMILLION, WHITE = "#F0E442", "#00C8FF", "#D55E00", "#FFFFFF"
ALARM = "#FF9A5C"
"""Of words that tell what is wrong: vermillion, but lighter, for it is read on dark grey."""
CLASS_SIGNS = (
    ("disc", "●", "#56B4E9"),
    ("triangle_up", "▲", "#E69F00"),
    ("square", "■", "#009E73"),
    ("star", "★", "#CC79A7"),
    ("diamond", "◆", "#FFFFFF"),
    ("cross", "✚", "#0072B2"),
    ("hbar", "▬", "#F0E442"),
    ("vbar", "▮", "#D55E00"),
)
"""Of the first, second, … class: napari's symbol, the same in text, colour."""
_SIGN_DIAMETERS = 0.2
_TURN = np.linspace(0, 2 * np.pi, 49)
_TICKS = np.deg2rad([0, 90, 180, 270])


@dataclass(frozen=True, slots=True)
class Style:
    """How one layer of points is drawn.

    Attributes
    ----------
    name : str
        Of the layer.
    states : tuple of State
    symbol, color : str
    diameters : float
        Size, particle diameters.
    border : float
        Width of the border, as a share of the size.
    face : bool
        Filled.
    opacity : float
    """

    name: str
    states: tuple[State, ...]
    symbol: str
    color: str
    diameters: float
    border: float
    face: bool = False
    opacity: float = 1.0


STYLES = (
    Style("proposed", (State.PROPOSED,), "disc", YELLOW, 1.0, 0.035),
    Style("asked", (State.ASKED,), "disc", YELLOW, 1.0, 0.035, opacity=0.45),
    Style("accepted", (State.ACCEPTED, State.ADDED), "disc", CYAN, 1.0, 0.09),
    Style("added by hand", (State.ADDED,), "disc", CYAN, 0.16, 0.0, face=True),
    Style("rejected", (State.REJECTED,), "x", VERMILLION, 0.34, 0.0, face=True, opacity=0.8),
    Style("unsure", (State.UNSURE,), "square", WHITE, 0.8, 0.045),
)
"""Told apart by shape as well as by colour (Okabe and Ito's, safe for the colour-blind)."""


def to_world(xy: NDArray[np.floating]) -> NDArray[np.float64]:
    """(x, y) to napari's (y, x)."""
    return np.asarray(xy, dtype=np.float64).reshape(-1, 2)[:, ::-1]


def from_world(position: tuple[float, ...]) -> tuple[float, float]:
    """Napari's (y, x) to (x, y)."""
    return float(position[-1]), float(position[-2])


class Scene:
    """The layers of a viewer.

    Parameters
    ----------
    viewer : napari.components.ViewerModel
    """

    def __init__(self, viewer: "ViewerModel") -> None:
        self._viewer = viewer
        self.image = viewer.add_image(
            np.zeros((2, 2), np.float32), name="micrograph", colormap="gray", interpolation2d="linear"
        )
        self._lines = {
            name: viewer.add_vectors(
                np.zeros((0, 2, 2)), name=name, edge_color=color, vector_style="line", opacity=opacity
            )
            for name, color, opacity in (("field", WHITE, 0.55), ("target", WHITE, 1.0))
        }
        self._points = {style.name: self._add_points(style) for style in STYLES}
        self._signs: list[Any] = []
        viewer.layers.move(viewer.layers.index(self._lines["target"]), len(viewer.layers))
        self.activate()

    def activate(self) -> None:
        """Make the image the layer that keys and mouse of napari go to, so that none touches the points."""
        if self._viewer.layers.selection.active != self.image:
            self._viewer.layers.selection.active = self.image

    @property
    def is_whole(self) -> bool:
        """Whether the viewer still has all our layers."""
        ours = [self.image, *self._lines.values(), *self._points.values(), *self._signs]
        return all(layer in self._viewer.layers for layer in ours)

    def show_image(self, shown: Shown, bin_px: int) -> None:
        """Swap the image; it lies in original pixels."""
        shift = (bin_px - 1) / 2
        with _drawn_once(self.image):
            self.image.data = shown.pixels
            if self.image.scale[-1] != bin_px:
                self.image.scale, self.image.translate = (bin_px, bin_px), (shift, shift)
            low, high = float(shown.pixels.min()), float(shown.pixels.max())
            self.image.contrast_limits_range = (low, high if high > low else low + 1)
            self.image.contrast_limits = shown.contrast_limits

    def show_marks(self, marks: Marks, diameter_px: float) -> None:
        """Swap the points."""
        for style in STYLES:
            _show_points(self._points[style.name], marks.xy[marks.of(*style.states)], style.diameters * diameter_px)

    def show_look(self, image: DisplayImage, xy: NDArray[np.float64], diameter_px: float) -> None:
        """Show a micrograph with proposals and nothing else."""
        self.show_image(image.low_pass, image.bin)
        proposed = np.full(len(xy), State.PROPOSED.value)
        marks = Marks(xy, proposed, np.full(len(xy), np.nan), np.zeros(len(xy), np.int64))
        self.show_marks(marks, diameter_px)
        self.show_classes(marks, diameter_px, 0)
        self.show_target(None, diameter_px)
        self.show_field(None, diameter_px)

    def show_classes(self, marks: Marks, diameter_px: float, number: int) -> None:
        """Put each particle's sign of its class on top of its circle; no layer is made where there are no classes."""
        for i in range(len(self._signs), number):
            symbol, _, color = CLASS_SIGNS[i]
            sign = Style(f"class {i + 1}", (), symbol, color, _SIGN_DIAMETERS, 0.0, face=True)
            self._signs.append(self._add_points(sign))
            self.activate()
        is_particle = ~marks.of(State.REJECTED, State.UNSURE)
        for i, layer in enumerate(self._signs, start=1):
            at = marks.xy[is_particle & (marks.class_number == i)] - (0, diameter_px / 2)
            _show_points(layer, at, _SIGN_DIAMETERS * diameter_px)

    def show_target(self, target: tuple[float, float] | None, diameter_px: float) -> None:
        """Draw the ring with ticks around the target."""
        lines = np.zeros((0, 2, 2)) if target is None else _ring(target, 0.62 * diameter_px)
        self._show_lines("target", lines, 0.045 * diameter_px)

    def show_field(self, field: Field | None, diameter_px: float) -> None:
        """Draw the outline of a field."""
        corners = None if field is None else ((field.x, field.y), (field.x + field.size, field.y + field.size))
        self.show_box(corners, diameter_px)

    def show_box(self, corners: tuple[tuple[float, float], tuple[float, float]] | None, diameter_px: float) -> None:
        """Draw a rectangle: the field's, or the one that is being dragged."""
        lines = np.zeros((0, 2, 2)) if corners is None else _box(*corners)
        self._show_lines("field", lines, 0.03 * diameter_px)

    def show_circles(self, visible: bool, rejected: bool) -> None:
        """Show or hide the marks."""
        for name, layer in self._points.items():
            wanted = visible and (rejected or name != "rejected")
            if layer.visible != wanted:  # napari redraws all even where nothing changes
                layer.visible = wanted
        for layer in self._signs:
            if layer.visible != visible:
                layer.visible = visible

    def visible_box(self) -> tuple[tuple[float, float], tuple[float, float]]:
        """Smallest and largest x and y on the canvas, original pixels; the whole image before it is drawn."""
        low, high = np.asarray(self.image.corner_pixels)[:, -2:]
        ny, nx = self.image.data.shape
        if not (high > low).all():
            low, high = np.array([0, 0]), np.array([ny, nx])
        scale, offset = self.image.scale[-1], self.image.translate[-1]
        y0, x0 = (low - 0.5) * scale + offset
        y1, x1 = (high + 0.5) * scale + offset
        return (float(x0), float(x1)), (float(y0), float(y1))

    def _show_lines(self, name: str, lines: NDArray[np.float64], width_px: float) -> None:
        """Swap the lines of a layer."""
        layer = self._lines[name]
        if np.array_equal(lines, layer.data) and layer.edge_width == width_px:
            return
        with _drawn_once(layer):
            layer.edge_width = width_px
            layer.data = lines

    def _add_points(self, style: Style) -> Any:
        """A layer whose points are all drawn alike."""
        layer = self._viewer.add_points(
            np.zeros((0, 2)),
            name=style.name,
            symbol=style.symbol,
            face_color=style.color if style.face else "transparent",
            border_color=style.color,
            border_width=style.border,
            border_width_is_relative=True,
            opacity=style.opacity,
            blending="translucent_no_depth",
        )
        layer.editable = False
        return layer


def _show_points(layer: Any, xy: NDArray[np.float64], size_px: float) -> None:
    """Swap the points of a layer, all of one size."""
    data = to_world(xy)
    is_same_size = layer.current_size == size_px and (not len(layer.data) or layer.size[0] == size_px)
    if is_same_size and np.array_equal(data, layer.data):
        return
    with _drawn_once(layer):
        layer.selected_data = set()
        layer.current_size = size_px
        layer.data = data
        layer.size = size_px


@contextmanager
def _drawn_once(layer: Any) -> Iterator[None]:
    """Let a layer be drawn once, after all of its arrays are swapped.

    Otherwise napari draws a visible layer for each array that is lengthened, and measures all layers for each change.
    """
    was_visible = layer.visible
    with layer.events.visible.blocker(), layer.events.data.blocker():
        layer.visible = False
        yield
        layer.visible = was_visible
    layer.refresh(thumbnail=False, data_displayed=False, highlight=False)


def _ring(centre: tuple[float, float], radius: float) -> NDArray[np.float64]:
    """A circle and four ticks, as napari's vectors: position and direction, (y, x)."""
    circle = np.column_stack([np.sin(_TURN), np.cos(_TURN)]) * radius
    ring = np.stack([circle[:-1], np.diff(circle, axis=0)], axis=1)
    ticks = np.column_stack([np.sin(_TICKS), np.cos(_TICKS)]) * radius
    lines = np.concatenate([ring, np.stack([ticks, 0.35 * ticks], axis=1)])
    lines[:, 0] += to_world(np.array(centre))[0]
    return lines


def _box(a: tuple[float, float], b: tuple[float, float]) -> NDArray[np.float64]:
    """Four sides, as napari's vectors."""
    corners = to_world(np.array([a, (b[0], a[1]), b, (a[0], b[1]), a]))
    return np.stack([corners[:-1], np.diff(corners, axis=0)], axis=1)
