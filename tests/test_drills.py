"""What a newcomer adds, added: a law, a policy, a type of config.json, a mixer: one file each, and shown where they should be."""

import json
import os
import subprocess
import sys
from pathlib import Path

import polars as pl
from conftest import RESULTS, snakemake

LAW = '''"""A toy: every token's experts are new."""

from dataclasses import dataclass
from typing import ClassVar

import numpy as np

from prophet_memory.routing.fixed import FixedExperts
from prophet_memory.routing.law import LawWords, RoutingLaw


@dataclass(frozen=True)
class Disjoint(RoutingLaw):
    """share: of its top-k that a token does not have in common with others."""

    kind: ClassVar[str] = "disjoint"
    share: float

    @property
    def words(self) -> LawWords:
        return LawWords(f"disjoint law, {self.share:.0%}", f"disjoint {self.share:.0%}", "disj.", "reaches all $E$ experts early")

    def bind(self, moe, counts=None):
        return DisjointExperts(moe.routed_experts, moe.top_k, self.share)


@dataclass(frozen=True)
class DisjointExperts(FixedExperts):
    share: float

    def uncapped(self, batch):
        return self.top_k * (1 + self.share * (np.asarray(batch, float) - 1))

    def batch_for(self, fraction):
        return max(1.0, 1 + (fraction * self.experts / self.top_k - 1) / self.share)
'''
POLICY = '''"""A toy: a cache of a fixed share of the experts."""

from dataclasses import dataclass
from typing import ClassVar

import numpy as np

from prophet_memory.named import Words
from prophet_memory.residency.policy import ResidencyPolicy, Transfers


@dataclass(frozen=True)
class Cache(ResidencyPolicy):
    """share: of the experts that have a slot."""

    kind: ClassVar[str] = "cache"
    share: float

    @property
    def words(self) -> Words:
        return Words(f"cache of {self.share:.0%}", f"Cache {self.share:.0%}", "cache")

    def slots(self, needed, experts):
        return np.full_like(needed, np.ceil(self.share * experts))

    def transfers(self, needed, hit_rate, experts):
        return Transfers((1 - hit_rate) * needed, np.zeros_like(needed))
'''
SHOW_EVERY_LAW = (
    "table_saturation_thresholds",
    "table_kv_extension", "table_extension_by_expert_count",
    "table_summary_statistics", "table_claims", "table_claims_summary",
)  # fmt: skip


SHOW_ONE = ("paper_tables/table_multi_gpu.tex", f"{RESULTS}/smallest_gpu_counts.csv", f"{RESULTS}/claims.csv")
FIGURES = "evaluation/figures/prophet_kv_extension"


def test_a_law_and_a_policy_are_a_file_and_a_word_each(own):
    folder = own
    (folder / "src/prophet_memory/routing/disjoint.py").write_text(LAW, encoding="utf-8")
    (folder / "src/prophet_memory/residency/cache.py").write_text(POLICY, encoding="utf-8")
    config = folder / "config/config.yaml"
    text = config.read_text(encoding="utf-8")
    text = text.replace("routings: [uniform]", "routings: [uniform, power_law, {disjoint: {share: 0.5}}]", 1)  # the sweep's
    config.write_text(
        text.replace("[prophet, all_resident]", "[prophet, all_resident, {cache: {share: 0.25}}]"), encoding="utf-8"
    )
    tables = [f"paper_tables/{table}.tex" for table in SHOW_EVERY_LAW]
    drawn = [f"{FIGURES}/{figure}.pdf" for figure in ("figure9_routing_laws", "figure15_residency")]
    done = snakemake(folder, *tables, *SHOW_ONE, *drawn, "evaluation/reports/batch_size_justification.md")
    assert done.returncode == 0, done.stderr
    data = pl.read_parquet(folder / RESULTS / "prophet_kv_extension_data.parquet")
    assert set(data["routing"]) == {"uniform", "power_law", "disjoint_0.5"}
    assert set(data["policy"]) == {"prophet", "all_resident", "cache_0.25"}
    for table in SHOW_EVERY_LAW:
        shown = (folder / "paper_tables" / f"{table}.tex").read_text(encoding="utf-8").lower()
        assert r"disjoint 50\%" in shown, table
    assert "disjoint 50%" in (folder / "evaluation/reports/batch_size_justification.md").read_text(encoding="utf-8")
    claims = pl.read_csv(folder / RESULTS / "claims.csv", infer_schema_length=None)
    assert claims.group_by("claim").len()["len"].unique().to_list() == [3]
    assert claims.filter(routing="disjoint_0.5", kind="value")["expected"].null_count() > 50  # nobody pinned its verdicts
    # What shows a single law or policy names it, and the new ones change nothing of it.
    caption = (folder / "paper_tables/table_multi_gpu.tex").read_text(encoding="utf-8")
    assert "Prophet (uniform law, pools" in " ".join(caption.split())
    assert "cache_0.25_n_gpus" in pl.read_csv(folder / RESULTS / "smallest_gpu_counts.csv").columns


TYPE = '''"""A toy: Mixtral's words, with every second layer dense."""

from prophet_memory.architecture import Architecture, Dense
from prophet_memory.huggingface.building import attention, decoder_only, everywhere, mixture, where_sparse
from prophet_memory.huggingface.registry import reads
from prophet_memory.huggingface.values import Values


@reads("toy_moe", defaults={"num_local_experts": 4, "num_experts_per_tok": 2, "tie_word_embeddings": False})
def toy_moe(values: Values) -> Architecture:
    layers, dense = values.layers(), Dense(values.size("intermediate_size"))
    blocks = where_sparse(mixture(values), dense, (layer % 2 == 1 for layer in range(layers)))
    return decoder_only(values, everywhere(attention(values), layers), blocks)
'''
TOY_CONFIG = {
    "model_type": "toy_moe", "hidden_size": 1024, "vocab_size": 1000, "max_position_embeddings": 4096, "num_hidden_layers": 4,
    "intermediate_size": 512, "num_attention_heads": 8,
}  # fmt: skip
MIXER = '''"""A toy: a cache of one vector a token."""

from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Literal

from prophet_memory.fields import Size
from prophet_memory.mixers.mixer import NONE, Mixer
from prophet_memory.tensors import Weight


@dataclass(frozen=True, slots=True)
class Toy(Mixer):
    """One map."""

    width: Size
    kind: Literal["toy"] = field(default="toy", kw_only=True)

    def weights(self, hidden_size):
        yield Weight("attention", self.width, hidden_size, linear=True)

    def cached_vectors(self, *, tensor=1):
        return ((1, self.width),)

    def state_vectors(self, *, tensor=1):
        return NONE, NONE

    def divides_among(self, gpus):
        return True
'''
THE_REST = """
    def products_per_pair(self, *, tokens, tensor=1):
        return 2 * self.width

    def values_per_token(self, *, tensor=1):
        return self.width
"""
TOY_MODEL = """
name: Toy
family: Toy
sources: [a drill]
hidden_size: 1024
vocabulary_size: 1000
tied_embeddings: false
max_context_tokens: 4096
mixers:
  toy: {kind: toy, width: 64}
feed_forwards:
  moe: {kind: moe, routed_experts: 8, top_k: 2, expert_intermediate_size: 512}
decoder:
  layers:
    - {count: 4, mixer: toy, feed_forward: moe}
"""


def prophet_memory_of(folder: Path, *words: str) -> subprocess.CompletedProcess[str]:
    """The command line of a copy of the project."""
    program = "import sys; from prophet_memory.cli import main; main()"
    environment = os.environ | {"PYTHONPATH": str(folder / "src")}
    return subprocess.run(
        [sys.executable, "-c", program, *words], cwd=folder, env=environment, capture_output=True, text=True, check=False
    )


def test_a_type_of_config_is_one_file(project):
    (project / "src/prophet_memory/huggingface/toy.py").write_text(TYPE, encoding="utf-8")
    (project / "config.json").write_text(json.dumps(TOY_CONFIG), encoding="utf-8")
    done = prophet_memory_of(project, "import-config", "config.json", "--name", "toy", "--json")
    assert done.returncode == 0, done.stderr
    assert json.loads(done.stdout)["routed_expert_params"] == 2 * 4 * 3 * 1024 * 512
    assert "toy" in (project / "config/config.yaml").read_text(encoding="utf-8")
    assert prophet_memory_of(project, "plan", "--model", "toy", "--gpu", "b200").returncode == 0


def test_a_mixer_is_one_file_and_none_that_is_half_made(project):
    file = project / "src/prophet_memory/mixers/toy.py"
    (project / "config/models/toy.yaml").write_text(TOY_MODEL, encoding="utf-8")
    asked = ("plan", "--model", "toy", "--gpu", "b200", "--json")
    unknown = prophet_memory_of(project, *asked)
    assert unknown.returncode == 2
    assert 'mixers.toy.kind: "toy"; allowed: attention, ' in unknown.stderr
    file.write_text(MIXER, encoding="utf-8")
    half = prophet_memory_of(project, *asked)
    assert half.returncode == 1
    assert "abstract" in half.stderr
    file.write_text(MIXER + THE_REST, encoding="utf-8")
    done = prophet_memory_of(project, *asked)
    assert done.returncode == 0, done.stderr
    assert json.loads(done.stdout)["kv_bytes_per_token"] == 4 * 64 * 2


def test_an_attribute_of_gpus_is_two_lines_of_gpu_py_and_a_value(project):
    code, catalogue = project / "src/prophet_memory/gpu.py", project / "config/gpus.yaml"
    text = code.read_text(encoding="utf-8")
    text = text.replace('    label: str = ""\n', '    label: str = ""\n    hbm_stacks: int | None = None\n', 1)
    code.write_text(
        text.replace("    bandwidth_bytes_per_s: ", "    stacks: int\n    bandwidth_bytes_per_s: ", 1), encoding="utf-8"
    )
    written = catalogue.read_text(encoding="utf-8")
    catalogue.write_text(written.replace("  hbm:\n", "  hbm:\n    stacks: 6\n"), encoding="utf-8")
    command = [sys.executable, "scripts/describe_gpus.py", "--names", "b200", "--output", "gpus.csv"]
    subprocess.run(command, cwd=project, env=os.environ | {"PYTHONPATH": str(project / "src")}, check=True)
    assert pl.read_csv(project / "gpus.csv")["hbm_stacks"].to_list() == [6]
    catalogue.write_text(written, encoding="utf-8")
    missing = prophet_memory_of(project, "gpus")
    assert (missing.returncode, missing.stderr.count("\n")) == (2, 1)
    assert "hbm.stacks: null; allowed: this key is required" in missing.stderr
