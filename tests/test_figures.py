"""The figures as files: vector, sized for the column, in embedded pinned type, without dates; and the same on every run."""

import re
import struct
from pathlib import Path

import pytest
from conftest import REPOSITORY

from prophet_paper.figures import DOUBLE_COLUMN_INCHES, PNG_DOTS_PER_INCH, SINGLE_COLUMN_INCHES, new_figure, save, style

FOLDER = REPOSITORY / "evaluation/figures/prophet_kv_extension"
NAMES = [
    "figure1_detailed_memory_breakdown",
    "figure2_kv_extension_by_model",
    "figure3_extension_vs_batch",
    "figure4_savings_heatmap",
    "figure5_expert_count",
    "figure6_savings_vs_batch_by_experts",
    "figure7_multi_gpu",
    "figure8_predicted_vs_observed",
    "figure9_routing_laws",
    "figure10_provisioned_savings",
    "figure11_locality",
    "figure12_sensitivity",
    "figure13_memory_latency",
    "figure14_latency_observed",
    "figure15_residency",
    "figure16_workloads",
    "figure17_goodput",
    "figure18_decision",
    "figure_concurrency",
]


def test_every_figure_is_there_as_pdf_and_png():
    assert sorted(file.name for file in FOLDER.iterdir()) == sorted(f"{name}.{kind}" for name in NAMES for kind in ("pdf", "png"))


@pytest.mark.parametrize("name", NAMES)
def test_pdf_is_vector_in_pinned_type_and_undated(name):
    content = (FOLDER / f"{name}.pdf").read_bytes()
    width = float(re.search(rb"/MediaBox \[ 0 0 ([0-9.]+)", content)[1]) / 72
    assert width == pytest.approx(DOUBLE_COLUMN_INCHES) or width == pytest.approx(SINGLE_COLUMN_INCHES)
    fonts = set(re.findall(rb"/BaseFont /(?:[A-Z]{6}\+)?([A-Za-z-]+)", content))
    assert fonts
    assert all(font.startswith(b"FiraSans") for font in fonts)
    assert b"/Subtype /Type42" in content or b"/Subtype /CIDFontType2" in content
    for dated in (b"CreationDate", b"ModDate", b"/Producer", b"/Creator"):
        assert dated not in content


@pytest.mark.parametrize("name", NAMES)
def test_png_has_the_size_of_the_pdf(name):
    content = (FOLDER / f"{name}.png").read_bytes()
    assert content[:8] == b"\x89PNG\r\n\x1a\n"
    width, _ = struct.unpack(">II", content[16:24])
    assert width in {round(inches * PNG_DOTS_PER_INCH) for inches in (SINGLE_COLUMN_INCHES, DOUBLE_COLUMN_INCHES)}


def test_type_is_readable_at_print_size():
    sizes = {
        key: value
        for key, value in style().items()
        if "size" in key and key.startswith(("font", "axes.", "xtick.label", "legend"))
    }
    assert all(7 <= value <= 9 for value in sizes.values()), sizes
    smallest = [
        float(size)
        for script in (REPOSITORY / "scripts").glob("figure*.py")
        for size in re.findall(r"fontsize\"?[=:] ?([0-9.]+)", script.read_text(encoding="utf-8"))
    ]
    assert 7 <= min(smallest) <= max(smallest) <= 9


def test_drawing_twice_gives_the_same_bytes(tmp_path: Path):
    files = [tmp_path / f"{run}.{kind}" for run in "ab" for kind in ("pdf", "png")]
    for pair in (files[:2], files[2:]):
        figure = new_figure(SINGLE_COLUMN_INCHES, 2)
        axes = figure.subplots()
        axes.plot([1, 2], [3, 4], label="line", marker="o")
        axes.bar([1, 2], [1, 2], hatch="//")
        axes.legend()
        save(figure, pair)
    assert files[0].read_bytes() == files[2].read_bytes()
    assert files[1].read_bytes() == files[3].read_bytes()


def test_a_failed_write_leaves_nothing(tmp_path: Path):
    figure = new_figure(SINGLE_COLUMN_INCHES, 2)
    with pytest.raises(KeyError):
        save(figure, [tmp_path / "figure.svg"])
    assert list(tmp_path.iterdir()) == []
