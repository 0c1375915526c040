"""The page about a workspace: whole at every stage, self-contained, nothing of the user's names taken for markup."""

import base64
import io
from collections.abc import Iterator
from dataclasses import dataclass, field
from html.parser import HTMLParser
from pathlib import Path

import numpy as np
import pytest
from matplotlib.image import imread

from cryoal.data.micrograph import ScaledMicrograph
from cryoal.data.picks import Picks
from cryoal.evaluation.field_estimates import Estimate
from cryoal.learner.project import Project
from cryoal.report import charts
from cryoal.report.page import page
from cryoal.workspace.set_aside import set_aside
from tests.command_line import command_line, scored_project
from tests.learner.workspaces import new_workspace, result_of

VOID = ("meta", "img")


@dataclass
class Seen(HTMLParser):
    """What a browser would make of a page."""

    tags: list[tuple[str, dict[str, str | None]]] = field(default_factory=list)
    text: str = ""
    open_tags: list[str] = field(default_factory=list)

    def __post_init__(self) -> None:
        super().__init__()

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append((tag, dict(attrs)))
        if tag not in VOID:
            self.open_tags.append(tag)

    def handle_endtag(self, tag: str) -> None:
        assert self.open_tags.pop() == tag

    def handle_data(self, data: str) -> None:
        self.text += data

    def images(self) -> Iterator[np.ndarray]:
        for tag, attributes in self.tags:
            if tag == "img":
                head, _, data = str(attributes["src"]).partition(",")
                assert head == "data:image/png;base64"
                yield imread(io.BytesIO(base64.b64decode(data, validate=True)))


def seen(html: str) -> Seen:
    """Parse a page, which must refer to nothing outside itself and run nothing."""
    parsed = Seen()
    parsed.feed(html)
    assert parsed.open_tags == []
    for tag, attributes in parsed.tags:
        assert tag not in ("script", "link", "iframe", "object", "embed", "base")
        assert not {name for name in attributes if name.startswith("on") or name in ("href", "srcset")}
    assert "@import" not in html
    assert "url(" not in html
    return parsed


def test_every_stage_has_its_page(tmp_path: Path) -> None:
    empty = seen(str(result_of(page(new_workspace(tmp_path / "empty")))))
    assert [*empty.images()] == []
    for said in ("labelled: nothing yet", "No committee is trained yet", "Nothing is scored yet", "Nothing is picked"):
        assert said.lower() in empty.text.lower()
    project = scored_project(tmp_path)
    scored = seen(str(result_of(page(Project.open(project / "ws")))))
    assert len([*scored.images()]) == 3  # by round, reliability, scores
    out = command_line().ok("pick", "ws", cwd=project)
    total, micrographs = out.split()[2], out.split()[5]
    said = command_line().ok("report", "ws", cwd=project)
    assert said.startswith("written: ws/report.html")
    picked = seen((project / "ws/report.html").read_text(encoding="utf-8"))
    images = [*picked.images()]
    assert len(images) == 7
    assert all(image.std() > 0.05 for image in images)
    assert f"Round 1: {total} picks on {micrographs} micrographs." in picked.text
    assert "hand over the picks, cryoal export" in picked.text


def test_the_micrograph_with_the_fewest_picks_comes_first(tmp_path: Path) -> None:
    project = scored_project(tmp_path)
    command_line().ok("pick", "ws", cwd=project)
    text = seen(str(result_of(page(Project.open(project / "ws"))))).text
    counts = {
        path.stem: sum(line[:1].strip().isdigit() or line.startswith(" ") for line in path.read_text().splitlines())
        for path in (project / "ws/rounds").rglob("picks/**/*.star")
    }
    listed = text[text.index("Fewest picks first") :]
    order = sorted(counts, key=listed.index)
    assert [counts[name] for name in order] == sorted(counts.values())


def test_names_are_never_markup(tmp_path: Path) -> None:
    project = new_workspace(tmp_path)
    set_aside(project.layout, "Micrographs/<b>a&amp;$x$", "it says <script>alert(1)</script>")
    folder = project.layout.root.rename(project.layout.root.with_name('w<img src="x">'))
    text = seen(str(result_of(page(Project.open(folder))))).text
    assert "Micrographs/<b>a&amp;$x$" in text
    assert "it says <script>alert(1)</script>" in text
    assert 'w<img src="x">' in text


def test_a_round_without_figures_is_left_out_of_its_curve() -> None:
    nan = float("nan")
    estimates = [None, Estimate(0.8, 0.7, 0.9)]
    figure = charts.rounds_figure({"F1": [nan, 0.5]}, {"recall": estimates}, {"κ": [None, None]})
    held_out, random_fields, changes = figure.axes
    np.testing.assert_allclose(held_out.lines[0].get_xydata(), [[2, 0.5]])
    bars = random_fields.collections[0].get_segments()[0]
    np.testing.assert_allclose(bars[:, 1], [0.7, 0.9])
    assert [text.get_text() for text in changes.texts] == ["not known yet"]


def test_the_reliability_diagram_shows_shares() -> None:
    probability = np.array([0.05, 0.05, 0.95, 0.95, 0.95, 0.95])
    figure = charts.reliability_figure(probability, np.array([False, False, True, True, True, False]))
    (axes,) = figure.axes
    np.testing.assert_allclose(axes.lines[1].get_xydata(), [[0.05, 0.0], [0.95, 0.75]])
    assert [text.get_text() for text in axes.texts] == ["2", "4"]


@pytest.mark.parametrize("picks", [Picks.empty(), Picks(np.array([39.5, 99.5]), np.array([19.5, 59.5]), np.ones(2))])
def test_picks_are_drawn_where_they_are(picks: Picks) -> None:
    rng = np.random.default_rng(0)
    scaled = ScaledMicrograph(rng.normal(size=(60, 80)).astype("f4"), np.ones((60, 80), bool), (4.0, 4.0), (240, 320))
    figure = charts.example_figure(scaled, picks, 20, 1.0, dark=True)
    circles = [one for one in figure.axes[0].collections if hasattr(one, "get_offsets")]
    if len(picks):
        np.testing.assert_allclose(circles[0].get_offsets(), [[9.5, 4.5], [24.5, 14.5]])
        np.testing.assert_allclose(circles[0].get_widths(), 20)
    assert imread(io.BytesIO(charts.png(figure))).std() > 0.05
