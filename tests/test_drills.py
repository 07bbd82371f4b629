"""What a newcomer adds, added: a law and a policy, each one file and a word in the config, and every job runs and shows them."""

import polars as pl
from conftest import RESULTS, small_project, snakemake

LAW = '''"""A toy: every token's experts are new."""

from dataclasses import dataclass
from typing import ClassVar

import numpy as np

from prophet_memory.occupancy import bound_on_fullest_rank
from prophet_memory.routing.law import LawWords, RoutingLaw


@dataclass(frozen=True)
class Disjoint(RoutingLaw):
    """share: of its top-k that a token does not have in common with others."""

    kind: ClassVar[str] = "disjoint"
    share: float

    @property
    def words(self) -> LawWords:
        return LawWords(f"disjoint law, {self.share:.0%}", f"disjoint {self.share:.0%}", "disj.", "reaches all $E$ experts early")

    def bind(self, model, moe):
        return DisjointExperts(moe.routed_experts, moe.top_k, self.share)


@dataclass(frozen=True)
class DisjointExperts:
    experts: int
    top_k: int
    share: float

    def uncapped(self, batch):
        return self.top_k * (1 + self.share * (np.asarray(batch, float) - 1))

    def mean(self, batch):
        return np.minimum(self.experts, self.uncapped(batch))

    def quantile(self, batch, q):
        return None

    def on_fullest_rank(self, batch, ranks):
        if ranks == 1:
            return self.mean(batch)
        return np.vectorize(lambda u: bound_on_fullest_rank(self.experts, float(u), ranks))(self.mean(batch))

    def is_exact(self, batch, ranks):
        return ranks == 1

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

    def transfers(self, needed, slots):
        return Transfers(np.maximum(needed - slots, 0))
'''
SHOW_EVERY_LAW = (
    "table_saturation_thresholds", "table_savings_by_batch", "table_kv_extension", "table_extension_by_expert_count",
    "table_summary_statistics", "table_claims", "table_claims_summary",
)  # fmt: skip


def test_a_law_and_a_policy_are_a_file_and_a_word_each(tmp_path):
    folder = small_project(tmp_path)
    (folder / "src/prophet_memory/routing/disjoint.py").write_text(LAW, encoding="utf-8")
    (folder / "src/prophet_memory/residency/cache.py").write_text(POLICY, encoding="utf-8")
    config = folder / "config/config.yaml"
    text = config.read_text(encoding="utf-8")
    text = text.replace("routings: [uniform]", "routings: [uniform, power_law, {disjoint: {share: 0.5}}]")
    config.write_text(
        text.replace("[prophet, all_resident]", "[prophet, all_resident, {cache: {share: 0.25}}]"), encoding="utf-8"
    )
    done = snakemake(folder)
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
    assert "Prophet (uniform law)" in caption
    assert "cache_0.25_n_gpus" in pl.read_csv(folder / RESULTS / "smallest_gpu_counts.csv").columns
