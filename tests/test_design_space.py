"""The design space: counted again by hand, kernels against each other, bad shards and bad config refused, resumed by shard."""

import os
import re
import subprocess
import sys

import numpy as np
import polars as pl
import pytest
import yaml
from conftest import ASSUMED, MODELS, REPOSITORY, copy_project, grid_of, snakemake
from forked import forked
from hypothesis import given
from hypothesis import strategies as st

from prophet_memory.design_space import POINT_AXES, Family
from prophet_memory.kv_cache import KVGrowth, bytes_per_sequence, longest_context, max_context_tokens, pieces, pieces_of
from prophet_memory.parameters import count_parameters
from prophet_memory.sweeps import FIT_VERDICTS, sweep
from prophet_paper.design_space import counts_of, open_design_space

RESULTS = "evaluation/memory_results/design_space"
COUNTS = ("doubling_by_load.csv", "doubling_by_sparsity.csv")
SMALL = """
shards: 3
chunk_rows: 100
figure_precision: bf16
load_steps: 10
family:
  experts: [8, 64]
  top_k: [2, 8]
  layers: [16]
  hidden_size: [2048, 4096]
  expert_width: [0.5]
  kv_heads: [4, 8]
  head_dim: 128
  vocabulary_size: 32000
models: [mixtral-8x7b, gpt-oss-120b, switch-base-8]
gpus: [a100-80gb, rtx-4090]
batch_sizes: [1, 8]
routings: [power_law, uniform]
policy: prophet
precisions: [bf16]
context_tokens: [1024, 65536]
"""


@pytest.fixture
def small(tmp_path):
    """A checkout with a design space of a few hundred rows."""
    copy_project(tmp_path)
    (tmp_path / "config" / "design_space.yaml").write_text(SMALL, encoding="utf-8")
    return tmp_path


def design_of(folder):
    return open_design_space(
        folder / "config/design_space.yaml", folder / "config/gpus.yaml", sorted((folder / "config/models").glob("*.yaml"))
    )


def points_of(folder) -> pl.DataFrame:
    return pl.concat(pl.read_parquet(shard) for shard in sorted((folder / RESULTS / "points").glob("*/points.parquet")))


def test_every_point_is_what_the_paper_sweep_says(small):
    done = snakemake(small, "design_space")
    assert done.returncode == 0, done.stderr
    design, points = design_of(small), points_of(small)
    assert points.height == len(design.models) * design.settings.rows_per_model == (3 + 3 * 4) * 2 * 2 * 2 * 2
    assert points.n_unique(["architecture", "gpu", "batch_size", "routing", "precision", "context_tokens"]) == points.height
    memory = {gpu.name: gpu.memory_bytes for gpu in design.gpus}
    for number, (name, architecture, *_) in enumerate(design.models):
        keys = ("policy", "gpu", "batch_size", "routing")
        paper = {tuple(row[key] for key in keys): row for row in
                 sweep(grid_of({name: architecture}, memory), ASSUMED).to_polars().to_dicts()}  # fmt: skip
        for row in points.filter(architecture=number).iter_rows(named=True):
            at = tuple(row[key] for key in keys[1:])
            ours, base = paper["prophet", *at], paper["all_resident", *at]["max_context_tokens"] or 0
            tokens = ours["max_context_tokens"] or 0
            assert row["max_context_tokens"] == tokens
            assert row["kv_capacity_tokens"] == tokens * row["batch_size"]
            assert row["free_for_kv_bytes"] == ours["free_for_kv_bytes"]
            holds, base_holds = tokens >= row["context_tokens"], base >= row["context_tokens"]
            assert row["fit_verdict"] == ("fits" if base_holds else "newly_fits") if holds else "does_not_fit"
            assert row["kv_extension"] == (tokens / base if holds and base_holds else None)


def test_counts_are_those_of_a_plain_loop(small):
    assert snakemake(small, "design_space").returncode == 0
    points, design = points_of(small).to_dicts(), design_of(small)
    by_load, by_sparsity = (pl.read_csv(small / RESULTS / name) for name in COUNTS)
    for table in (by_load, by_sparsity):
        assert table["configurations"].sum() == len(points)
        for verdict in ("fits", "newly_fits"):
            assert table[verdict].sum() == sum(row["fit_verdict"] == verdict for row in points)
        assert table["at_least_doubled"].sum() == sum((row["kv_extension"] or 0) >= 2 for row in points)
    for row in by_sparsity.iter_rows(named=True):
        mine = [
            point for point in points
            if (moe := design.models[point["architecture"]][1].moe).routed_experts == row["experts"] and moe.top_k == row["top_k"]
            and point["batch_size"] == row["batch_size"] and point["routing"] == row["routing"]
        ]  # fmt: skip
        assert len(mine) == row["configurations"]
        assert sum((point["kv_extension"] or 0) >= 2 for point in mine) == row["at_least_doubled"]
    assert set(by_load["all_resident_fraction_from"]) <= {round(step / 10, 9) for step in range(11)}
    for row in by_load.iter_rows(named=True):
        start, above = row["all_resident_fraction_from"], row["all_resident_fraction_from"] >= 1
        mine = [
            point for point in points
            if start <= point["all_resident_fraction"] and (above or point["all_resident_fraction"] < start + 0.1 - 1e-9)
            and point["batch_size"] == row["batch_size"] and point["routing"] == row["routing"]
        ]  # fmt: skip
        assert len(mine) == row["configurations"]


def test_a_capacity_of_exactly_twice_counts_as_doubled(assumptions):
    """A GPU on which Prophet's cache is to the token twice, one token more or one less than the baseline's."""
    model = {"mixtral-8x7b": MODELS["mixtral-8x7b"]}
    axes = {"batch_sizes": [1], "routings": ["uniform"], "policies": ["prophet"], "order": POINT_AXES}
    rate = 32 * 2 * 8 * 128 * 2  # bytes of a token
    spare = {"a": 400 * 2**30}
    at = sweep(grid_of(model, spare, **axes), assumptions)
    ours, baseline = (int(np.ma.filled(one, 0).item()) for one in (at.max_context_tokens, at.baseline_context))
    # Each token less memory takes one from both: the ratio is 2 where the baseline has as many as lie between them.
    twice = spare["a"] - (baseline - (ours - baseline)) * rate
    for memory, doubled in ((twice, 1), (twice + rate, 0), (twice - rate, 1)):
        swept = sweep(grid_of(model, {"a": memory}, **axes), assumptions)
        counts = counts_of(swept, 10)
        assert counts.select(pl.sum("fits", "at_least_doubled")).row(0) == (1, doubled)
    exact = sweep(grid_of(model, {"a": twice}, **axes), assumptions)
    assert exact.kv_extension.item() == 2


def test_a_sequence_as_long_as_the_cache_allows_fits_and_one_token_more_does_not(assumptions):
    axes = {"batch_sizes": [4], "routings": ["uniform"], "precisions": ["int8_experts"], "policies": ["prophet"]}
    block = ({"mixtral-8x7b": MODELS["mixtral-8x7b"]}, {"a": 80 * 2**30})
    longest = int(sweep(grid_of(*block, **axes), assumptions).column("max_context_tokens").item())
    asked = grid_of(*block, context_tokens=[longest, longest + 1], order=POINT_AXES, **axes)
    verdicts = sweep(asked, assumptions).column("fit_verdict").ravel()
    assert [FIT_VERDICTS[i] for i in verdicts] == ["newly_fits", "does_not_fit"]


def test_shards_and_blocks_change_no_count_and_a_second_run_no_byte(small):
    assert snakemake(small, "design_space").returncode == 0
    first = [(small / RESULTS / name).read_bytes() for name in COUNTS]
    rows = points_of(small).sort("architecture", "gpu", "batch_size", "routing", "context_tokens")
    config = small / "config" / "design_space.yaml"
    config.write_text(SMALL.replace("shards: 3", "shards: 1").replace("chunk_rows: 100", "chunk_rows: 7"), encoding="utf-8")
    assert snakemake(small, "design_space").returncode == 0
    assert [(small / RESULTS / name).read_bytes() for name in COUNTS] == first
    whole = pl.read_parquet(small / RESULTS / "points/shard=0000/points.parquet")
    assert whole.sort("architecture", "gpu", "batch_size", "routing", "context_tokens").equals(rows)
    before = (small / RESULTS / "points/shard=0000/points.parquet").read_bytes()
    assert snakemake(small, "--forcerun", "sweep_design_space", "--", "design_space").returncode == 0
    assert (small / RESULTS / "points/shard=0000/points.parquet").read_bytes() == before


def test_it_is_resumed_by_shard(small):
    assert snakemake(small, "design_space").returncode == 0
    for name in COUNTS:
        (small / RESULTS / name).unlink()
    (small / RESULTS / "points/shard=0001/points.parquet").unlink()
    planned = snakemake(small, "design_space", "--dry-run")
    jobs = dict(re.findall(r"^(\w+) +(\d+)$", planned.stdout + planned.stderr, re.MULTILINE))
    assert jobs["sweep_design_space"] == "1"


def counts_beside(shard):
    return shard.with_name("counts.parquet")


def counting(small, *shards, counts=()) -> subprocess.CompletedProcess[str]:
    """The count alone, over some shards."""
    command = [
        REPOSITORY / "scripts/design_space_doubling.py", "--promised", *design_of(small).settings.rows_of_shards,
        "--shards", *shards, "--counts", *(counts or map(counts_beside, shards)),
        "--by-load", small / "load.csv", "--by-sparsity", small / "sparsity.csv",
    ]  # fmt: skip
    return forked(*command)


def test_a_bad_shard_is_one_line_and_never_a_short_count(small):
    assert snakemake(small, "design_space").returncode == 0
    shards = sorted((small / RESULTS / "points").glob("*/points.parquet"))
    whole = counting(small, *shards)
    assert whole.returncode == 0, whole.stderr
    (small / "load.csv").unlink()
    counts = [counts_beside(shard) for shard in shards]
    swapped = counting(small, *shards, counts=[counts[1], counts[0], counts[2]])
    missing = counting(small, *shards[:2])
    kept = counts[1].read_bytes()
    counts[1].write_bytes(kept[:-9])
    torn = counting(small, *shards)
    counts[1].write_bytes(kept)
    shards[2].write_bytes(shards[2].read_bytes()[:-9])
    cut = counting(small, *shards)
    found = ((swapped, "sha256"), (missing, "--shards: 2; allowed: 3"), (torn, "sha256"), (cut, "bytes"))
    for done, said in found:
        assert done.returncode == 2
        assert said in done.stderr
        assert done.stderr.count("\n") == 1
    assert not (small / "load.csv").exists()


@pytest.mark.parametrize(
    ("right", "wrong", "said"),
    [
        ("shards: 3", "shards: 0", "config/design_space.yaml: shards: 0; allowed: integer of at least 1"),
        ("shards: 3", "shard: 3", "config/design_space.yaml: shard: 3; allowed: the keys"),
        ("kv_heads: [4, 8]", "kv_heads: [5]", "family.kv_heads: 5; allowed: divisors of every hidden_size over head_dim"),
        ("experts: [8, 64]", "experts: [1]", "family.top_k: [2, 8]; allowed: at least one below the largest number of experts"),
        ("gpus: [a100-80gb", "gpus: [a100-80", 'gpus: "a100-80"; allowed: the entries of config/gpus.yaml'),
        ("models: [mixtral-8x7b", "models: [mixtral", 'models: "mixtral"; allowed: the files in config/models'),
        ("figure_precision: bf16", "figure_precision: int8_experts", 'figure_precision: "int8_experts"; allowed: the values of'),
        ("batch_sizes: [1, 8]", "batch_sizes: [0]", "batch_sizes[0]: 0; allowed: integer of at least 1"),
    ],
)  # fmt: skip
def test_bad_config_is_one_line(small, right, wrong, said):
    file = small / "config" / "design_space.yaml"
    assert right in SMALL
    file.write_text(SMALL.replace(right, wrong), encoding="utf-8")
    done = snakemake(small, "--dry-run", "--quiet", "all")
    assert done.returncode == 2
    assert said in done.stderr


def test_the_shipped_space_has_fifty_million_configurations():
    design = design_of(REPOSITORY)
    rows = design.settings.rows_of_shards
    assert len(design.models) == design.settings.model_count
    assert sum(rows) == len(design.models) * design.settings.rows_per_model >= 50_000_000
    assert max(rows) - min(rows) <= design.settings.rows_per_model
    counted = pl.read_csv(REPOSITORY / RESULTS / COUNTS[0])
    assert counted["configurations"].sum() == sum(rows)


def test_capacity_doubles_only_where_everything_resident_fills_more_than_half():
    """A claim of the paper, of what is committed: to double, half of what is free must be experts."""
    found = pl.read_csv(REPOSITORY / RESULTS / "doubling_by_load.csv")
    doubled = found.filter(pl.col("at_least_doubled") > 0)
    assert doubled.height > 100
    assert doubled["all_resident_fraction_from"].min() == 0.5
    below = found.filter(pl.col("all_resident_fraction_from") < 0.5)
    assert below["fits"].sum() > 10**6


def test_a_member_of_the_family_has_the_parameters_of_its_formula():
    family = Family((8,), (2,), (16,), (2048,), (0.5,), (4,), 128, 32000)
    (member,) = family.members()
    hidden, experts, width = 2048, 8, 1024
    attention = hidden * (2048 + 2 * 4 * 128) + 2048 * hidden
    layer = attention + experts * (3 * hidden * width + hidden) + 2 * hidden
    assert count_parameters(member).total == 16 * layer + hidden + 2 * 32000 * hidden


layouts = st.builds(
    lambda constant, rate, windows: KVGrowth(constant, rate, tuple(sorted(windows.items())), 4096),
    st.integers(0, 10**9), st.integers(0, 10**6), st.dictionaries(st.integers(1, 5000), st.integers(1, 10**6), max_size=3),
)  # fmt: skip


@given(layouts, st.integers(0, 10**4))
def test_pieces_are_the_lines_of_which_the_cache_is_the_least(layout, tokens):
    lines = [start_bytes + rate * (tokens - start) for start, start_bytes, rate in pieces(layout)]
    assert layout.constant_bytes + min(lines) <= bytes_per_sequence(layout, tokens)
    assert layout.constant_bytes + min(
        line for line, (start, _, _) in zip(lines, pieces(layout), strict=True) if start <= tokens
    ) == (bytes_per_sequence(layout, tokens))


@given(st.lists(layouts, min_size=1, max_size=4), st.lists(st.integers(-(10**9), 10**12), min_size=1, max_size=5))
def test_layouts_of_many_models_at_once_are_those_of_each(many, available):
    known = pieces_of(many).shaped(lambda part: part.reshape(-1, 1))
    together = longest_context(known, np.array([available]))
    assert np.array_equal(together, [max_context_tokens(layout, available) for layout in many])


def test_the_bar_counts_what_is_there_and_passes_the_status_on(small):
    models = map(str, sorted((small / "config/models").glob("*.yaml")))
    command = [
        sys.executable, str(REPOSITORY / "scripts/watch_design_space.py"), *models, "--design", "config/design_space.yaml",
        "--points", f"{RESULTS}/points", "--reports", "logs/sweep_design_space", "--command",
    ]  # fmt: skip
    whole = subprocess.run(
        [*command, sys.executable, "-m", "snakemake", "design_space"], cwd=small, capture_output=True, text=True, check=False
    )
    assert whole.returncode == 0, whole.stderr
    assert "Sweeping shard 0002" in whole.stderr
    failed = subprocess.run([*command, sys.executable, "-c", "raise SystemExit(7)"], cwd=small, check=False, capture_output=True)
    assert failed.returncode == 7


def test_memory_does_not_grow_with_the_shard(small):
    """Ten times the rows in as large blocks: the peak stays, give or take what the allocator keeps."""
    ballast = b"x" * 1100 * 2**20  # what the parent holds is not the job's
    family = SMALL.replace("layers: [16]", f"layers: {list(range(1, 41))}").replace("chunk_rows: 100", "chunk_rows: 100000")
    peaks = []
    for contexts in (400, 4000):
        text = family.replace("context_tokens: [1024, 65536]", f"context_tokens: {list(range(1, contexts + 1))}")
        (small / "config" / "design_space.yaml").write_text(text.replace("shards: 3", "shards: 1"), encoding="utf-8")
        output = small / f"{contexts}.parquet"
        command = [
            sys.executable, REPOSITORY / "scripts/sweep_design_space.py",
            "--models", *sorted((small / "config/models").glob("*.yaml")),
            "--design", small / "config/design_space.yaml", "--shard", 0,
            "--counts", small / "counts.parquet", "--output", output,
        ]  # fmt: skip
        subprocess.run(list(map(str, command)), check=True, env=os.environ | {"POLARS_MAX_THREADS": "1"})
        peaks.append(yaml.safe_load(output.with_suffix(".json").read_text(encoding="utf-8")))
    assert peaks[1]["rows"] == 10 * peaks[0]["rows"] > 10**7
    assert peaks[1]["peak_mib"] < 1.5 * peaks[0]["peak_mib"]
    assert peaks[1]["peak_mib"] < 1024 < len(ballast) / 2**20
