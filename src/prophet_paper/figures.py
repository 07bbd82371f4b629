"""The look of every figure, and writing it as PDF and PNG that are the same bytes on every run.

Type and lines are sized for print at the paper's column width.
"""

from __future__ import annotations

import io
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Any, NamedTuple, cast

import fontpkg_fira_sans
import matplotlib as mpl
from matplotlib import font_manager
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from prophet_memory.edge.files import replacing
from prophet_memory.edge.tables import catalogued
from prophet_paper.looks import BLACK, BLUE, GREEN, GREY, ORANGE, PURPLE, SKY, VERMILLION

SINGLE_COLUMN_INCHES = 3.33
DOUBLE_COLUMN_INCHES = 7.0
PNG_DOTS_PER_INCH = 300

# One curve in a panel is told from the next by colour and marker; the routing law is told by the dash.
SERIES = (
    (BLUE, "o"),
    (VERMILLION, "s"),
    (GREEN, "^"),
    (PURPLE, "D"),
    (ORANGE, "v"),
    (SKY, "P"),
    (BLACK, "X"),
    (GREY, "*"),
)


class Law(NamedTuple):
    """A routing law as figures show it; the first is drawn solid and filled."""

    name: str
    label: str
    abbreviation: str
    colour: str
    marker: str
    dash: Any
    note: str | None
    is_first: bool


def laws_in_order(catalogue: Path) -> list[Law]:
    """The laws of a law_catalogue.csv in the order in which figures draw them."""
    rows = sorted(catalogued(catalogue, "routing").values(), key=lambda row: int(row["position"]))
    lengths = [tuple(map(float, str(row["dash"] or "").split())) for row in rows]
    words = [[row[name] for name in ("routing", "label", "abbreviation", "colour", "marker")] for row in rows]
    dashes = [(0, dash) if dash else "-" for dash in lengths]
    each = enumerate(zip(words, dashes, rows, strict=True))
    return [Law._make([*own, dash, row["note"], i == 0]) for i, (own, dash, row) in each]


def style() -> dict[str, Any]:
    """The rcParams of every figure."""
    return {
        "font.family": fontpkg_fira_sans.FAMILY,
        "font.size": 7.5,
        "axes.titlesize": 8,
        "axes.titleweight": "medium",
        "axes.titlelocation": "left",
        "axes.titlepad": 4,
        "axes.labelsize": 7.5,
        "axes.labelpad": 2.5,
        "axes.linewidth": 0.6,
        "axes.edgecolor": GREY,
        "axes.spines.top": False,
        "axes.spines.right": False,
        "axes.axisbelow": True,
        "axes.grid": True,
        "grid.color": "#e3e3e3",
        "grid.linewidth": 0.5,
        "xtick.labelsize": 7,
        "ytick.labelsize": 7,
        "xtick.major.width": 0.6,
        "ytick.major.width": 0.6,
        "xtick.major.size": 2.5,
        "ytick.major.size": 2.5,
        "xtick.color": GREY,
        "ytick.color": GREY,
        "xtick.labelcolor": BLACK,
        "ytick.labelcolor": BLACK,
        "legend.fontsize": 7,
        "legend.frameon": False,
        "legend.handlelength": 2.4,
        "lines.linewidth": 1.2,
        "lines.markersize": 3.4,
        "lines.markeredgewidth": 0,
        "hatch.linewidth": 0.5,
        # Type 42 keeps text selectable. Uncompressed, the bytes do not depend on the machine's zlib.
        "pdf.fonttype": 42,
        "pdf.compression": 0,
        "svg.hashsalt": "prophet",
    }


def new_figure(width_inches: float, height_inches: float) -> Figure:
    """An empty figure in the project's style, with no font but the pinned one to be found."""
    fonts = sorted((Path(fontpkg_fira_sans.ROOT) / "files").glob("FiraSans-*.ttf"))
    faces = [f for f in fonts if f.stem.partition("-")[2] in {"Regular", "Medium", "SemiBold", "Italic"}]
    font_manager.fontManager.ttflist.clear()
    for face in faces:
        font_manager.fontManager.addfont(face)
    mpl.rcParams.update(cast("Any", style()))
    return Figure(figsize=(width_inches, height_inches), layout="constrained")


def save(figure: Figure, paths: Iterable[Path]) -> None:
    """Write the figure to each path, by its suffix, without dates or program names."""
    unnamed = {
        ".pdf": {"CreationDate": None, "ModDate": None, "Creator": None, "Producer": None},
        ".png": {"Software": None},
    }
    figure.draw_without_rendering()  # solve the layout once, for all formats
    figure.set_layout_engine("none")
    for path in paths:
        # Drawn in memory: the PDF writer hides a full disk behind an error of its own.
        drawn = io.BytesIO()
        figure.savefig(drawn, format=path.suffix[1:], dpi=PNG_DOTS_PER_INCH, metadata=unnamed[path.suffix])
        with replacing(path) as temporary:
            temporary.write_bytes(drawn.getvalue())


def log2_batches(axes: Axes, batch_sizes: Sequence[int]) -> None:
    """A log2 batch axis with one tick per swept batch size."""
    axes.set_xscale("log", base=2)
    axes.set_xticks(batch_sizes, [str(batch) for batch in batch_sizes])
    axes.minorticks_off()
    axes.set_xlim(min(batch_sizes) / 1.12, max(batch_sizes) * 1.12)
