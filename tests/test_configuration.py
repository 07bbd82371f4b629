"""Wrong input: one line with file, key, value and what is allowed, exit status 2, and nothing half-written."""

import math
import subprocess
import sys
from pathlib import Path

import pytest
import yaml
from conftest import REPOSITORY, snakemake
from hypothesis import given
from hypothesis import strategies as st

from prophet_memory.edge.command import ConfigurationError
from prophet_memory.edge.configuration import read_engines, read_gpus, read_model, read_models
from prophet_memory.edge.documents import read_yaml
from prophet_memory.edge.settings import check_settings, read_settings

MODEL = "config/models/mixtral-8x7b.yaml"
DELTA = "config/models/qwen3-next-80b-a3b.yaml"
GPUS = "config/gpus.yaml"
SETTINGS = "config/config.yaml"
ENGINES = "config/engines.yaml"
# file, text to replace, replacement, and what the message must name
WRONG = [
    (SETTINGS, "- mixtral-8x7b\n", "- mixtral-8x9b\n", ["sweep.models", '"mixtral-8x9b"', "did you mean mixtral-8x"]),
    (SETTINGS, "- a100-80gb\n", "- a100-90gb\n", ["sweep.gpus", '"a100-90gb"', "did you mean a100-", "config/gpus.yaml"]),
    (SETTINGS, "batch_sizes: [1, 2,", "batch_sizes: [0, 2,", ["sweep.batch_sizes[0]", "0", "at least 1"]),
    (SETTINGS, "batch_sizes: [1, 2,", "batch_sizes: [1.0, 2,", ["sweep.batch_sizes[0]", "1.0", "integer"]),
    (SETTINGS, "batch_sizes: [1, 2,", "batch_sizes: [2, 2,", ["sweep.batch_sizes", "each entry once"]),
    (SETTINGS, "routings: [power_law, uniform]", "routings: []", ["sweep.routings", "[]", "at least 1"]),
    (SETTINGS, "routings: [power_law, uniform]", "routings: [zipff]", ["sweep.routings[0]", '"zipff"', "power_law, uniform"]),
    (SETTINGS, "policies: [all_resident, prophet]", "policies: [prophet]", ["sweep.policies", "all_resident"]),
    (SETTINGS, "provisions: [mean, p95, p99]", "provisions: [p95, p99]", ["sweep.provisions", "a list with mean"]),
    (SETTINGS, "provisions: [mean, p95, p99]", "provisions: [mean, p98]", ["sweep.provisions[1]", '"p98"', "p95"]),
    (SETTINGS, "provision: p99}", "provision: p99_pooled}", ["paper.reference.provision", '"p99_pooled"', "sweep.provisions"]),
    (SETTINGS, "exponent: [0.85, 1.0]", "exponent: [1.0, 0.85]", ["sensitivity.exponent", "[1.0, 0.85]", "the smaller first"]),
    (SETTINGS, "exponent: [0.85, 1.0]", "exponent: [0.85]", ["sensitivity.exponent", "2"]),
    (SETTINGS, "zipf_s: [0.0, 1.0]", "zipf_s: [-0.5, 1.0]", ["sensitivity.zipf_s", "from 0 to 4"]),
    (SETTINGS, "base_samples: 4096", "base_samples: 100", ["sensitivity.base_samples", "100", "64, 128"]),
    (SETTINGS, "engines: [ideal, vllm-0.19]", "engines: [ideal, vllm]", ["sensitivity.engines", '"vllm"', "vllm-0.19"]),
    (SETTINGS, "gpu: l40s, batch_size: 4", "gpu: l4, batch_size: 4", ["sensitivity.cases", '"l4"', "the values of sweep.gpus"]),
    (SETTINGS, "provisioned_batch_sizes: [4, 16, 64]", "provisioned_batch_sizes: [5]", ["paper.provisioned_batch_sizes", "5"]),
    (SETTINGS, "layer_correlation: 0.39", "layer_correlation: 1.5", ["assumptions.layer_correlation", "1.5", "at most 1"]),
    (SETTINGS, "tokens_per_sequence: 1", "tokens_per_sequence: 0", ["assumptions.tokens_per_sequence", "0", "at least 1"]),
    (SETTINGS, "[power_law, uniform]", "[unif]", ["sweep.routings[0]", '"unif"', "did you mean uniform"]),
    (SETTINGS, "[power_law, uniform]", "[{power_law: {exponent: 2}}]", ["sweep.routings[0].power_law.exponent: 2", "at most 1"]),
    (SETTINGS, "[power_law, uniform]", "[uniform, {uniform: {}}]", ["sweep.routings", "each entry once"]),
    (SETTINGS, "[power_law, uniform]", "[power_law]", ["paper.reference.routing", '"uniform"', "the values of sweep.routings"]),
    (SETTINGS, "prophet]", "{prophet: {overhead_bytes: -1}}]", ["sweep.policies[1].prophet.overhead_bytes: -1", "at least 0"]),
    (SETTINGS, "policy: prophet,", "policy: all_resident,", ["paper.reference.policy", '"all_resident"', "compared with it"]),
    (SETTINGS, "[power_law, uniform]", f"[{{power_law: {{exponent: 1{400 * '0'}}}}}]", ["exponent", "that a float holds"]),
    (SETTINGS, "engine: ideal", "engine: vllm", ["assumptions.engine", '"vllm"', "config/engines.yaml: ideal"]),
    (SETTINGS, "kv_format: bf16", "kv_fromat: bf16", ["assumptions.kv_fromat", "did you mean kv_format"]),
    (ENGINES, "usable_fraction: 1.0", "usable_fraction: 1.5", ["ideal.usable_fraction", "1.5", "at most 1"]),
    (ENGINES, "usable_fraction: 1.0", "usable_fraction: .nan", ["not a finite number"]),
    (ENGINES, "usable_fraction:", "useable_fraction:", ["ideal.useable_fraction", "did you mean usable_fraction"]),
    (SETTINGS, "reference: {gpu: a100-80gb", "reference: {gpu: b300", ["paper.reference.gpu", '"b300"', "sweep.gpus"]),
    (SETTINGS, "sweep:\n", "sweep: [\n", ["line", "valid YAML"]),
    (SETTINGS, "batch_sizes: [1, 2,", "batch_sizes: [1]\n  batch_sizes: [1, 2,", ["stands twice"]),
    (MODEL, "top_k: 2", "top_k: 9", ["feed_forwards.moe.top_k", "9", "at most routed_experts (8)"]),
    (MODEL, "kv_heads: 8", "kv_heads: 7", ["mixers.attention.kv_heads", "7", "divisor of query_heads (32)"]),
    (DELTA, "value_heads: 32", "value_heads: 24", ["mixers.linear_attention.value_heads: 24", "multiple of key_heads (16)"]),
    (MODEL, "hidden_size: 4096", "hidden_size: -4096", ["hidden_size", "-4096", "at least 1"]),
    (MODEL, "hidden_size: 4096", "hidden_sise: 4096", ["hidden_sise", "did you mean hidden_size"]),
    (MODEL, "kind: moe", "kind: moe\n    moe: 1", ["feed_forwards.moe.moe", "1", "the keys"]),
    (MODEL, "name: Mixtral-8x7B", "name: 2024-01-01", ["line", "2024-01-01 is a date"]),
    (GPUS, "bytes: 84987740160", "bytes: 190:20:30", ["line", "190:20:30 is no decimal integer"]),
    (GPUS, "lanes: 16", "lanes: true", ["v100-32gb.host_link.lanes", "true", "1, 2, 4, 8, 16"]),
    (GPUS, "pcie_generation: 4", "pcie_generation: 4.0", ["host_link.pcie_generation", "4.0", "3, 4, 5, 6"]),
    (MODEL, "kind: moe", "kind: moo", ["feed_forwards.moe.kind", '"moo"', "dense, moe"]),
    (MODEL, "mixer: attention", "mixer: attenton", ["decoder.layers[0].mixer", '"attenton"', "attention"]),
    (MODEL, "decoder:\n", "decoder:\n  pattern: [0, 1]\n", ["decoder.pattern", "[0, 1]", "places in decoder.layers"]),
    (MODEL, "sources:", "sauces:", ["sauces", "did you mean sources"]),
    (MODEL, "tied_embeddings: false", "tied_embeddings: 'no'", ["tied_embeddings", '"no"', "boolean"]),
    (MODEL, "name: Mixtral-8x7B", "name: [Mixtral", ["line", "valid YAML"]),
    (GPUS, "bytes: 84987740160", "bytes: -1", ["a100-80gb.memory.bytes", "-1", "at least 1"]),
    (GPUS, "pcie_generation: 4", "pcie_generation: 7", ["host_link.pcie_generation", "7", "3, 4, 5, 6"]),
    (GPUS, "bandwidth_bytes_per_s: 2039000000000", "bandwidth: 2039000000000", ["a100-80gb.hbm.bandwidth", "did you mean"]),
    (GPUS, "a100-80gb:\n", "a100-80gb\n", ["line", "valid YAML"]),
    (GPUS, "a100-80gb:\n", "80:\n", ["line", "the key 80 is not text"]),
    (GPUS, "a100-80gb:\n", "null:\n", ["line", "the key None is not text"]),
    (MODEL, "mixers:\n", "mixers:\n  7: {kind: attention}\n", ["line", "the key 7 is not text"]),
    (MODEL, "name: Mixtral-8x7B", "name: &again [*again]", ["line", "an alias, *again"]),
    (MODEL, "name: Mixtral-8x7B", "name: !!timestamp x", ["line", "a tag, "]),
    (GPUS, "pcie_generation: 4", "pcie_generation: !!bool x", ["line", "a tag, "]),
    (MODEL, "name: Mixtral-8x7B", 'name: ["[red]", "\\n"]', ["name", "allowed: string"]),
]


@pytest.mark.parametrize(("name", "right", "wrong", "named"), WRONG, ids=lambda value: str(value)[:40])
def test_one_line_names_file_key_value_and_what_is_allowed(name, right, wrong, named, tmp_path):
    text = (REPOSITORY / name).read_text(encoding="utf-8")
    assert right in text
    file = tmp_path / Path(name).name
    file.write_text(text.replace(right, wrong, 1), encoding="utf-8")
    read = {MODEL: read_model, DELTA: read_model, GPUS: read_gpus, SETTINGS: read_settings, ENGINES: read_engines}[name]
    with pytest.raises(ConfigurationError) as caught:
        read(file)
    message = str(caught.value)
    assert "\n" not in message
    assert message.startswith(f"{file}: ")
    assert "allowed: " in message
    for part in named:
        assert part in message, message


ENGINE_CASES = [
    case for case in WRONG
    if case[2] in {"- mixtral-8x9b\n", "batch_sizes: [0, 2,", "[unif]", "kv_fromat: bf16", "sweep: [\n", "top_k: 9", "bytes: -1",
                   "usable_fraction: 1.5"}
]  # fmt: skip


@pytest.mark.parametrize(("name", "right", "wrong", "named"), ENGINE_CASES, ids=lambda value: str(value)[:40])
def test_the_workflow_stops_with_that_line_and_writes_nothing(name, right, wrong, named, project):
    file = project / name
    file.write_text(file.read_text(encoding="utf-8").replace(right, wrong, 1), encoding="utf-8")
    before = written(project)
    done = snakemake(project)
    assert done.returncode == 2, done.stderr
    lines = [line for line in done.stderr.splitlines() if line.startswith(name)]
    assert len(lines) == 1, done.stderr
    assert all(part in lines[0] for part in named)
    assert "Traceback" not in done.stderr
    assert written(project) == before


def written(folder: Path) -> set[Path]:
    """Every file but what Python and Snakemake keep for themselves."""
    return {path for path in folder.rglob("*") if path.is_file() and not {".snakemake", "__pycache__"} & set(path.parts)}


def test_an_override_on_the_command_line_is_checked_too(repository, tmp_path):
    override = tmp_path / "override.yaml"
    override.write_text("assumptions: {encoder_source_tokens: -1}\n", encoding="utf-8")
    done = snakemake(repository, "--dry-run", "--configfile", str(override))
    assert done.returncode == 2
    assert "config/config.yaml: assumptions.encoder_source_tokens: -1; allowed: integer of at least 0" in done.stderr


def test_missing_and_unreadable_files(tmp_path):
    with pytest.raises(ConfigurationError, match="missing"):
        read_yaml(tmp_path / "none.yaml")
    with pytest.raises(ConfigurationError, match="readable"):
        read_yaml(tmp_path)
    (tmp_path / "latin.yaml").write_bytes(b"name: M\xfcller\n")
    with pytest.raises(ConfigurationError, match="UTF-8"):
        read_yaml(tmp_path / "latin.yaml")


def test_scripts_meet_wrong_input_with_the_same_line(tmp_path):
    broken = tmp_path / "mixtral-8x7b.yaml"
    broken.write_text((REPOSITORY / MODEL).read_text(encoding="utf-8").replace("top_k: 2", "top_k: 9"), encoding="utf-8")
    output = tmp_path / "out.parquet"
    command = [sys.executable, "scripts/sweep_model.py", "--model", str(broken), "--output", str(output)]
    done = subprocess.run(command, cwd=REPOSITORY, capture_output=True, text=True, check=False)
    assert done.returncode == 2
    assert done.stderr == f"{broken}: feed_forwards.moe.top_k: 9; allowed: at most routed_experts (8)\n"
    assert list(tmp_path.iterdir()) == [broken]


scalars = st.one_of(
    st.none(),
    st.booleans(),
    st.integers(-(10**20), 10**20),
    st.floats(),
    st.text(max_size=8),
    st.just([]),
    st.just({}),
    st.just([{}]),
)


def places(node: object, path: tuple = ()) -> list[tuple]:
    """Paths of every value in a document."""
    inside = node.items() if isinstance(node, dict) else enumerate(node) if isinstance(node, list) else ()
    return [path, *(place for key, value in inside for place in places(value, (*path, key)))]


def replaced(node: object, path: tuple, value: object) -> object:
    if not path:
        return value
    copy = dict(node) if isinstance(node, dict) else list(node)
    copy[path[0]] = replaced(copy[path[0]], path[1:], value)
    return copy


@pytest.mark.parametrize("name", [SETTINGS, MODEL, GPUS, "config/models/switch-base-8.yaml", DELTA])
def test_any_replaced_value_is_accepted_or_met_with_one_line(name, tmp_path):
    right = yaml.safe_load((REPOSITORY / name).read_text(encoding="utf-8"))
    file = tmp_path / Path(name).name
    models, gpus = read_models(), read_gpus()

    @given(st.sampled_from(places(right)), scalars)
    def fuzz(path: tuple, value: object) -> None:
        file.write_text(yaml.safe_dump(replaced(right, path, value), allow_unicode=True), encoding="utf-8")
        try:
            if name == SETTINGS:
                check_settings(read_yaml(file), models, gpus, file)
            elif name == GPUS:
                assert all(gpu.memory_bytes > 0 for gpu in read_gpus(file).values())
            else:
                read_model(file)
        except ConfigurationError as error:
            assert "\n" not in str(error)
            assert str(error).startswith(f"{file}: ")

    fuzz()


def test_any_text_is_yaml_or_met_with_one_line(tmp_path):
    file = tmp_path / "any.yaml"

    @given(st.text(max_size=60))
    def fuzz(text: str) -> None:
        file.write_bytes(text.encode(errors="surrogatepass"))
        try:
            read_yaml(file)
        except ConfigurationError as error:
            assert "\n" not in str(error)

    fuzz()


def test_numbers_in_config_are_finite():
    def numbers(node: object) -> list[float]:
        if isinstance(node, dict | list):
            return [n for value in (node.values() if isinstance(node, dict) else node) for n in numbers(value)]
        return [node] if isinstance(node, int | float) else []

    for file in (REPOSITORY / "config").rglob("*.yaml"):
        assert all(map(math.isfinite, numbers(read_yaml(file))))
