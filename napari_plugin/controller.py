"""Joins the document to napari's layers: gestures become commands, and the layers show what came of them."""

import math
from collections.abc import Callable, Iterator
from typing import TYPE_CHECKING, Any

from cryoal.data.labels import Verdict
from cryoal.data.micrograph import MicrographEntry
from cryoal.errors import FileError, MicrographError, UserError
from napari_plugin.denoising import Denoiser
from napari_plugin.document import Document
from napari_plugin.images import DisplayImage, ImageStore, Shown, blank_image
from napari_plugin.scene import ALARM, WHITE, Scene, from_world

if TYPE_CHECKING:
    from napari.components import ViewerModel

_CLICK_PX = 4.0
_MODIFIERS = ("Shift", "Control", "Alt")
_CENTRAL_SHARE = 0.8
_VIEW_DIAMETERS = 8.0
_TEXT_SIZE = 9


class Controller:
    """The review of one workspace in one viewer.

    Parameters
    ----------
    viewer : napari.components.ViewerModel
    document : Document
    scene : Scene
        The layers of that viewer.

    Attributes
    ----------
    changed : list of callable
        Called after every gesture.
    images : ImageStore
    message : str
        What went wrong with the last one; empty where nothing did.
    low_pass, circles, rejected, denoised : bool
        What is shown; where it is denoised, whether low-passed or not does not matter.
    """

    def __init__(self, viewer: "ViewerModel", document: Document, scene: Scene) -> None:
        self.viewer, self.document, self.scene = viewer, document, scene
        self.changed: list[Callable[[], None]] = []
        self.message = ""
        self.low_pass = self.circles = self.rejected = True
        self.denoised = False
        self.selection: Callable[[], list[tuple[float, float]]] = list
        project = document.project
        self._denoiser = Denoiser(project.diameter_px, particles_dark=project.settings.particles_dark)
        self.images = ImageStore(project.diameter_px, self._denoiser)
        self.image: DisplayImage | None = None
        self._shown_key: str | None = None
        self._is_waiting = False
        self._shown_field: object = None
        viewer.mouse_drag_callbacks.append(self._on_mouse)
        self._double_click = list(viewer.mouse_double_click_callbacks)
        viewer.mouse_double_click_callbacks.clear()
        viewer.canvas.events.size.connect(self._look_again)
        overlay = viewer.canvas.overlays.text
        overlay.visible, overlay.font_size, overlay.position, overlay.color = True, _TEXT_SIZE, "top_left", WHITE
        overlay.box = True
        self.refresh()

    def close(self) -> None:
        """Leave the viewer as it was, the layers apart."""
        self.images.close()
        self._denoiser.close()
        if self._on_mouse in self.viewer.mouse_drag_callbacks:
            self.viewer.mouse_drag_callbacks.remove(self._on_mouse)
        self.viewer.mouse_double_click_callbacks.extend(self._double_click)
        self.viewer.canvas.events.size.disconnect(self._look_again)
        self.viewer.canvas.overlays.text.visible = False

    # What keys do

    def accept(self) -> None:
        """Accept the target, or what is selected in the gallery."""
        self._judge(Verdict.PARTICLE)

    def reject(self) -> None:
        """Reject the target, or what is selected in the gallery."""
        self._judge(Verdict.REJECTED)

    def unsure(self) -> None:
        """Call the target, or what is selected in the gallery, unsure."""
        self._judge(Verdict.UNSURE)

    def accept_as(self, class_number: int) -> None:
        """Accept the target, or the selection, as a particle of a class, which what is clicked has from now on."""
        if class_number <= len(self.document.project.settings.classes):
            self.document.class_number = class_number
            self._judge(Verdict.PARTICLE, class_number)

    def reject_as(self, kind: int) -> None:
        """Reject the target, or the selection, as a kind of junk."""
        if kind <= len(self.document.project.settings.junk):
            self._judge(Verdict.REJECTED, kind)

    def accept_shown(self) -> None:
        """Accept all proposals on the canvas."""
        self.do(lambda: self.document.judge_inside(*self.scene.visible_box(), Verdict.PARTICLE))

    def do(self, command: Callable[[], object]) -> None:
        """Carry a command out and show what came of it; an error becomes the message."""
        try:
            command()
            self.message = ""
        except UserError as error:
            self.message = str(error)
        self.refresh()

    def toggle(self, name: str) -> None:
        """Switch `low_pass`, `circles`, `rejected` or `denoised`."""
        setattr(self, name, not getattr(self, name))
        if name in ("low_pass", "denoised"):
            self._shown_key = None
        self.refresh()

    def show_denoised(self) -> None:
        """Show the denoised view if it was waited for."""
        if self._is_waiting:
            self._shown_key = None
            self.refresh()

    def set_threshold(self, threshold: float) -> None:
        """Show, and export, proposals from a probability up."""
        self.document.threshold = threshold
        self.do(lambda: self.document.go(self.document.place))

    def take_up_round(self) -> None:
        """Show the newest round and its query."""
        self._shown_field = None
        self.do(self.document.reload)

    # What is shown

    def refresh(self) -> None:
        """Show the document as it is now."""
        self.scene.activate()
        place, diameter_px = self.document.place, self.document.diameter_px()
        if place.micrograph != self._shown_key:
            self._show_image(place.micrograph)
        marks = self.document.marks()
        self.scene.show_marks(marks, diameter_px)
        self.scene.show_classes(marks, diameter_px, len(self.document.project.settings.classes))
        self.scene.show_circles(self.circles, self.rejected)
        self.scene.show_target(place.target if self.circles else None, diameter_px)
        self.scene.show_field(place.field, diameter_px)
        self._look()
        overlay = self.viewer.canvas.overlays.text
        overlay.text, overlay.color = self.line(), ALARM if self.message else WHITE
        for listener in self.changed:
            listener()

    def line(self) -> str:
        """The line on the canvas."""
        if self.message:
            return self.message
        place, document = self.document.place, self.document
        judged, total = document.questions.progress(document.threshold)
        number = document.keys.index(place.micrograph) + 1
        parts = [f"{place.micrograph.rsplit('/', 1)[-1]}  {number}/{len(document.keys)}"]
        if place.field is not None:
            fields = document.questions.fields
            parts.append(f"field {fields.index(place.field) + 1}/{len(fields)}" if place.field in fields else "field")
        parts += [f"judged {judged}/{total}"] if total else []
        score = document.score_at(place.target)
        parts += [f"p = {score:.2f}"] if math.isfinite(score) else []
        parts.append("denoising …" if self._is_waiting else "saved")
        return "  ·  ".join(parts) + "\n" + self._hint()

    def _hint(self) -> str:
        """What to do here, in a few words."""
        place, document = self.document.place, self.document
        if place.left is not None:
            return "Enter: the field you left is finished  ·  F D S: go on here"
        if place.target is not None:
            classes = document.project.settings.classes
            accept = f"1 to {len(classes)} accept as class" if classes else "F accept"
            return f"{accept}  D reject  S unsure  ·  click to add  ·  H help"
        questions = document.questions
        if place.field is not None and not questions.is_finished(place.field):
            first = "click what was missed" if document.is_scored else "click the particles in the frame"
            return f"{first}, then Enter: this field is finished"
        if not questions.queue:
            return "the committee is about to propose: see the bar beside; or click particles already"
        if questions.finished == len(questions.queue):
            return "the query is done: Retrain"
        return "N: next most uncertain field" + ("" if document.is_scored else "  ·  not scored for this query")

    def _show_image(self, key: str) -> None:
        """Swap the image, and read the next ones of queue and list ahead."""
        project = self.document.project
        new = self._shown_key is not None or self.image is None
        try:
            self.image = self.images.get(project.by_key[key])
        except (FileError, MicrographError) as error:
            self.message = str(error)
            self.image = blank_image(project.shapes[key])  # lest marks are judged on another micrograph's pixels
        self.scene.show_image(self._view(project.by_key[key], self.image), self.image.bin)
        self._shown_key = key
        if new:
            self.viewer.reset_view()
            self._shown_field = None
        fields = self.document.questions.following(self.document.place.field)
        later = [field.micrograph for field in fields if field.micrograph != key][:1]
        listed = self.document.keys[(self.document.keys.index(key) + 1) % len(self.document.keys)]
        for each in dict.fromkeys([*later, listed]):
            self.images.ahead(project.by_key[each], denoised=self.denoised)

    def _view(self, entry: MicrographEntry, image: DisplayImage) -> Shown:
        """What is shown of a micrograph: until it is denoised, its other view."""
        other = image.low_pass if self.low_pass else image.plain
        try:
            denoised = self.images.denoised(entry) if self.denoised else other
        except (FileError, MicrographError) as error:
            self.message, denoised = str(error), other
        self._is_waiting = denoised is None
        return denoised or other

    def _look(self) -> None:
        """Show a new field whole; otherwise move only if the target is outside the central part of the canvas."""
        place, diameter_px = self.document.place, self.document.diameter_px()
        if place.field != self._shown_field:
            self._shown_field = place.field
            if place.field is not None:
                middle = place.field.x + place.field.size / 2, place.field.y + place.field.size / 2
                self._centre_on(middle, max(2.4 * place.field.size, _VIEW_DIAMETERS * diameter_px))
        if place.target is None:
            return
        centre, seen = from_world(self.viewer.scene.camera.center), self._seen_px()
        away = (abs(at - middle) for at, middle in zip(place.target, centre, strict=True))
        if any(far > _CENTRAL_SHARE * side / 2 for far, side in zip(away, seen, strict=True)):
            self._centre_on(place.target)

    def _look_again(self) -> None:
        """Show the field whole on a canvas of another size."""
        self._shown_field = None
        self._look()

    def _seen_px(self) -> tuple[float, float]:
        """Original pixels along x and y that the canvas has room for."""
        height, width = self.viewer.canvas.size
        zoom = float(self.viewer.scene.camera.zoom)
        return width / zoom, height / zoom

    def _centre_on(self, xy: tuple[float, float], extent_px: float | None = None) -> None:
        """Show a position, and so many original pixels along the shorter side; no more black than need be."""
        ny, nx = self.document.project.shapes[self.document.place.micrograph]
        camera, (height, width) = self.viewer.scene.camera, self.viewer.canvas.size
        if extent_px is not None:
            zoom = max(min(height, width) / extent_px, min(height / ny, width / nx))
            if not math.isclose(zoom, camera.zoom):
                camera.zoom = zoom
        halves = (side / 2 for side in self._seen_px())
        x, y = (
            min(max(at, half), max(side - half, side / 2)) - 0.5
            for at, half, side in zip(xy, halves, (nx, ny), strict=True)
        )
        camera.center = (0.0, y, x)

    # What the mouse does

    def _on_mouse(self, viewer: "ViewerModel", event: Any) -> Iterator[None]:
        """One press to release: a click, or a drag with Shift or Ctrl."""
        start, start_px, button = from_world(event.position), event.pos, event.button
        modifiers = {name for name in _MODIFIERS if name in event.modifiers}  # vispy's keys equal their names
        dragging = button == 1 and bool(modifiers & {"Shift", "Control"})
        viewer.scene.camera.mouse_pan, before = not dragging, viewer.scene.camera.mouse_pan
        try:
            yield
            moved = False
            while event.type == "mouse_move":
                moved = moved or math.dist(event.pos, start_px) > _CLICK_PX
                if moved and "Shift" in modifiers and dragging:
                    self.scene.show_box((start, from_world(event.position)), self.document.diameter_px())
                yield
        finally:
            viewer.scene.camera.mouse_pan = before
        moved = moved or math.dist(event.pos, start_px) > _CLICK_PX
        self._gesture(start, from_world(event.position), button, modifiers, moved)

    def _gesture(
        self, start: tuple[float, float], end: tuple[float, float], button: int, modifiers: set[str], moved: bool
    ) -> None:
        """What a finished gesture means."""
        document = self.document
        if moved and button == 1 and "Shift" in modifiers:
            x, y = (start[0], end[0]), (start[1], end[1])
            self.do(lambda: document.judge_inside(x, y, Verdict.REJECTED))
        elif moved and button == 1 and "Control" in modifiers:
            self.do(lambda: document.move(start, end))
        elif not moved and not modifiers and button == 1:
            self.do(lambda: document.click(start))
        elif not moved and not modifiers and button == 2:
            self.do(lambda: document.reject_at(start))

    def _judge(self, verdict: Verdict, class_number: int | None = None) -> None:
        """Judge the selection as one step where there are several, else the target."""
        selected = self.selection()
        if len(selected) > 1:
            self.do(lambda: self.document.judge_all(selected, verdict, class_number))
        else:
            self.do(lambda: self.document.judge(verdict, class_number))

    def counts(self) -> dict[str, int]:
        """What is labelled, and what is to do in the query."""
        of = self.document.ledger.counts()
        judged, total = self.document.questions.progress(self.document.threshold)
        return {
            "accepted": of[Verdict.PARTICLE],
            "rejected": of[Verdict.REJECTED],
            "unsure": of[Verdict.UNSURE],
            "to do": total - judged,
        }
