"""The review page: counts, why this field, the score slider, views, gallery, and below them the round."""

import html
from collections.abc import Callable

from napari.settings import get_plugin_settings
from qtpy.QtCore import QTimer, Signal
from qtpy.QtWidgets import QCheckBox, QGridLayout, QGroupBox, QHBoxLayout, QLabel, QPushButton, QVBoxLayout, QWidget

from cryoal.data.candidates import QueriedField
from cryoal.errors import UserError
from cryoal.workspace.journal import RANDOM
from napari_plugin.controller import Controller
from napari_plugin.document import Document
from napari_plugin.keys import help_rows
from napari_plugin.scene import ALARM, CLASS_SIGNS, CYAN, VERMILLION, WHITE, YELLOW
from napari_plugin.widgets.bar import Bar
from napari_plugin.widgets.gallery import Gallery
from napari_plugin.widgets.histogram import ScoreSlider
from napari_plugin.widgets.rounds import Preferences, Rounds

_BOOKMARK_MS = 300
_SWITCHES_A_ROW = 3
_SYMBOLS = {"accepted": ("◯", CYAN), "rejected": ("✕", VERMILLION), "unsure": ("☐", WHITE), "to do": ("◯", YELLOW)}


class Review(QWidget):
    """Everything beside the canvas while a workspace is open.

    Parameters
    ----------
    controller : Controller
    leave : callable
        Closes the workspace.
    """

    _ready = Signal()

    def __init__(self, controller: Controller, leave: Callable[[], None]) -> None:
        super().__init__()
        self._controller = controller
        self._leave = leave
        self._waiting = False
        self._field: object = None
        self.gallery = Gallery()
        self.gallery.went.connect(self._go)
        self.gallery.hide()
        controller.selection = self.gallery.selection
        self.slider = ScoreSlider()
        self.slider.chosen.connect(controller.set_threshold)
        chosen = get_plugin_settings("cryoal").review
        preferences = Preferences(
            chosen.members, chosen.labels_per_round, chosen.micrographs_per_query, str(chosen.strategy)
        )
        self.rounds = Rounds(controller.document.project, preferences)
        self.rounds.export_button.clicked.connect(lambda _: self._export())
        self.rounds.published.connect(self._published)
        self.rounds.failed.connect(self._tell)
        self.message = QLabel(wordWrap=True)
        self.message.setStyleSheet(f"color: {ALARM}; font-weight: bold")
        self.message.hide()
        self._help = QLabel(_help_text(), wordWrap=True, visible=False)
        self._bookmark = QTimer(self, interval=_BOOKMARK_MS, singleShot=True)
        self._bookmark.timeout.connect(self._remember)
        layout = QVBoxLayout(self)
        layout.setContentsMargins(0, 0, 4, 0)
        layout.setSpacing(6)
        for part in (self._head(), self.message, self._help, self._scores_box(), self.gallery, self.rounds):
            layout.addWidget(part)
        layout.addStretch()
        controller.changed.append(self.show_state)
        self._ready.connect(controller.show_denoised)
        controller.images.on_denoised = self._ready.emit

    def begin(self) -> None:
        """Show the workspace as it is."""
        self._show_scores()
        self.show_state()
        self.rounds.begin()

    def end(self) -> None:
        """Stop what runs, and keep where the expert is."""
        self._bookmark.stop()
        self._remember()
        self.rounds.end()

    def act(self, action: str) -> None:
        """Do what a key says."""
        controller, document = self._controller, self._controller.document
        own: dict[str, Callable[[], object]] = {
            "accept": controller.accept,
            "reject": controller.reject,
            "unsure": controller.unsure,
            "accept_shown": controller.accept_shown,
            "finish_field": lambda: controller.do(document.finish_field),
            "finish_micrograph": lambda: controller.do(document.finish_micrograph),
            "next_field": lambda: controller.do(document.next_field),
            "previous_micrograph": lambda: controller.do(lambda: document.step_micrograph(-1)),
            "next_micrograph": lambda: controller.do(lambda: document.step_micrograph(1)),
            "undo": lambda: controller.do(document.undo),
            "redo": lambda: controller.do(document.redo),
            "toggle_low_pass": self._low_pass.toggle,
            "toggle_denoised": self._denoised.toggle,
            "toggle_circles": self._circles.toggle,
            "toggle_gallery": self._gallery_box.toggle,
            "toggle_help": lambda: self._help.setVisible(not self._help.isVisible()),
        }
        number = action.rpartition("_")[2]
        if number.isdigit():
            (controller.accept_as if action.startswith("accept") else controller.reject_as)(int(number))
        else:
            own[action]()

    def show_state(self) -> None:
        """Follow the controller."""
        controller, document = self._controller, self._controller.document
        counts = controller.counts()
        self._counts.setText("&nbsp; ".join(_count(word, number) for word, number in counts.items()))
        judged, total = document.questions.progress(document.threshold)
        fields, finished = len(document.questions.queue), document.questions.finished
        told = f"{finished} of {fields} fields finished" + (f"  ·  {judged} of {total} judged" if total else "")
        self._classes.setText(_legend(document))
        self._progress.show_progress(judged if total else finished, total or fields, told)
        queried = document.questions.queried(document.place.field)
        number = document.keys.index(document.place.micrograph) + 1
        why = _why(queried) if queried else "not in the query"
        self._where.setText(f"<b>Micrograph {number}/{len(document.keys)}</b> &nbsp; {why}")
        self.slider.note.setText(f"{len(document.picks())} picks here: judged, and p ≥ {document.threshold:.3f}")
        self._say(controller.message)
        self.rounds.threshold = document.threshold
        self.rounds.consider(document.ledger.made)
        if self._waiting and document.place.field != self._field:
            self._take_up()
        if self.gallery.isVisible() and controller.image is not None:
            self.gallery.show_marks(document.marks(), controller.image, document.diameter_px())
        self._bookmark.start()

    def _head(self) -> QWidget:
        """Micrograph, why, counts, progress."""
        head = QWidget()
        self._where, self._counts = QLabel(wordWrap=True), QLabel(wordWrap=True)
        self._classes = QLabel(wordWrap=True, visible=bool(self._controller.document.project.settings.classes))
        self._counts.setToolTip("Labels of the whole workspace; to do: proposals of the query that nobody judged.")
        self._progress = Bar()
        self.close_button = QPushButton("Close", toolTip="Back to the start page; every decision is saved already.")
        self.close_button.clicked.connect(lambda _: self._leave())
        layout = QVBoxLayout(head)
        layout.setContentsMargins(0, 0, 0, 0)
        row = QHBoxLayout()
        row.addWidget(self._where, stretch=1)
        row.addWidget(self.close_button)
        layout.addLayout(row)
        layout.addWidget(self._counts)
        layout.addWidget(self._classes)
        layout.addWidget(self._progress)
        return head

    def _scores_box(self) -> QGroupBox:
        """Slider and views."""
        box = QGroupBox("Scores and views")
        self._low_pass = self._switch("low-pass (E)", "low_pass", "Smoothed, the background taken off; or as stored.")
        told = (
            "Without its noise, by a network; to look only. What it makes up may look real: see the low-pass as well."
        )
        self._denoised = self._switch("denoised (C)", "denoised", told)
        self._circles = self._switch("circles (Q)", "circles", "All that is drawn on the micrograph.")
        self._rejected = self._switch("rejected", "rejected", "The crosses on what you rejected.")
        self._gallery_box = QCheckBox("gallery (G)", toolTip="Crops of this micrograph; Shift and Ctrl select several.")
        self._gallery_box.toggled.connect(self._show_gallery)
        grid = QGridLayout()
        switches = (self._low_pass, self._denoised, self._gallery_box, self._circles, self._rejected)
        for place, switch in enumerate(switches):
            grid.addWidget(switch, *divmod(place, _SWITCHES_A_ROW))
        layout = QVBoxLayout(box)
        layout.addWidget(self.slider)
        layout.addLayout(grid)
        return box

    def _switch(self, text: str, name: str, help_text: str) -> QCheckBox:
        """A box that switches a view."""
        box = QCheckBox(text, toolTip=help_text)
        box.setChecked(getattr(self._controller, name))
        box.toggled.connect(lambda _: self._controller.toggle(name))
        return box

    def _show_gallery(self, visible: bool) -> None:
        """Show or hide the gallery."""
        self.gallery.setVisible(visible)
        self.show_state()

    def _go(self, x: float, y: float) -> None:
        """Make a crop of the gallery the target."""
        self._controller.do(lambda: self._controller.document.aim((x, y)))

    def _show_scores(self) -> None:
        """The round's histogram."""
        document = self._controller.document
        self.slider.show_scores(document.scores, document.threshold)

    def _published(self, asked_for: bool) -> None:
        """Take the new round up now, or in automatic mode when the expert leaves the field."""
        if asked_for or self._controller.document.place.target is None:
            self._take_up()
        else:
            self._waiting, self._field = True, self._controller.document.place.field

    def _export(self) -> None:
        """Export what is shown, which is never an older round than what is picked from."""
        if self._waiting:
            self._take_up()
        self.rounds.export()

    def _take_up(self) -> None:
        """Show the new round."""
        self._waiting = False
        self._controller.take_up_round()
        self._show_scores()

    def _tell(self, message: str) -> None:
        """Show what went wrong."""
        self._controller.message = message
        self._controller.refresh()

    def _say(self, message: str) -> None:
        """Say what is wrong, or nothing."""
        self.message.setText(message)
        self.message.setVisible(bool(message))

    def _remember(self) -> None:
        """Keep where the expert is."""
        try:
            self._controller.document.remember()
        except UserError as error:
            self._say(str(error))


def _legend(document: Document) -> str:
    """Sign, key and name of each class, how many are labelled, and which one a click adds."""
    numbers, names = document.ledger.classes(), document.project.settings.classes
    told = []
    for i, name in enumerate(names, start=1):
        _, sign, color = CLASS_SIGNS[i - 1]
        text = f'<span style="color:{color}">{sign}</span> {i} {html.escape(name)}: {numbers[i]}'
        told.append(f"<b>{text}</b>" if i == document.class_number else text)
    return "&nbsp; ".join(told)


def _why(queried: QueriedField) -> str:
    """Why a field is asked about."""
    if queried.reason == RANDOM:
        return "drawn at random, to measure how good the picks are"
    return f"the committee learns most here ({queried.reason}, {queried.utility:.3g})"


def _count(word: str, number: int) -> str:
    """A count with its symbol, as on the canvas."""
    symbol, color = _SYMBOLS[word]
    return f'<span style="color:{color}">{symbol}</span> {number} {word}'


def _help_text() -> str:
    """Keys and gestures."""
    rows = "".join(f"<tr><td><b>{a}</b>&nbsp;&nbsp;</td><td>{b}</td></tr>" for a, b in help_rows())
    return f"<table>{rows}</table>"
