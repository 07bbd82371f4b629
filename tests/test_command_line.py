"""The command line: the sweep's own numbers, and one line with exit status 2 for whatever is wrong."""

import json
import os
import re
import shutil
import subprocess
import sys
from dataclasses import asdict
from pathlib import Path

import pandas as pd
import pytest
import yaml
from conftest import ASSUMED, MODELS, REPOSITORY, RESULTS, copy_project
from forked import forked
from hypothesis import given, settings
from hypothesis import strategies as st

from prophet_memory.cli.import_config import with_others
from prophet_memory.edge.configuration import read_gpus, read_model
from prophet_memory.edge.model_files import open_config

IMPORTED = REPOSITORY / "tests/data/imported_configs"
PROGRAM = [sys.executable, "-c", "from prophet_memory.cli import main; main()"]
KEYS = ["model", "gpu", "n_gpus", "batch_size", "routing", "precision", "policy", "provision"]


def call(*arguments: object, checkout: Path = REPOSITORY) -> subprocess.CompletedProcess[str]:
    """Run the program of a checkout."""
    environment = os.environ | {"PYTHONPATH": str(checkout / "src"), "COLUMNS": "200"}
    if checkout == REPOSITORY:
        return forked("prophet-memory", *arguments, environment=environment)
    command = [*PROGRAM, *map(str, arguments)]
    return subprocess.run(command, capture_output=True, text=True, check=False, env=environment, stdin=subprocess.DEVNULL)


def refused(*arguments: object, checkout: Path = REPOSITORY) -> str:
    """The one line of a wrong call."""
    done = call(*arguments, checkout=checkout)
    assert (done.returncode, done.stdout) == (2, ""), done
    assert done.stderr.count("\n") == 1, done.stderr
    return done.stderr.strip()


@pytest.fixture(scope="module")
def rows() -> pd.DataFrame:
    return pd.read_parquet(REPOSITORY / RESULTS / "prophet_kv_extension_data.parquet")


def planned(row: dict, *more: object) -> dict:
    """The plan of a row of the results."""
    weights = {"bf16": ["--weights", "bf16"], "int8_experts": ["--experts", "int8"], "native": ["--weights", "native"]}
    done = call(
        "plan", "--json", "--model", row["model"], "--gpu", row["gpu"], "--n-gpus", row["n_gpus"], "--batch", row["batch_size"],
        "--routing", row["routing"], "--policy", row["policy"], "--provision", row["provision"], *weights[row["precision"]],
        *more,
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    return json.loads(done.stdout)


@pytest.mark.parametrize("seed", range(16))
def test_a_plan_is_the_row_of_the_sweep(rows: pd.DataFrame, seed: int):
    row = json.loads(rows.sample(1, random_state=seed).iloc[0].to_json(double_precision=15))
    plan = planned(row)
    assert {name: plan[name] for name in row} == row
    assert plan["fullest_rank_is_exact"] is True
    assert list(plan)[: len(KEYS)] == KEYS
    assert plan["assumptions"] == json.loads(json.dumps(asdict(ASSUMED)))


def test_a_context_is_held_exactly_up_to_the_largest(rows: pd.DataFrame):
    row = (
        rows.query(
            "model == 'gpt-oss-120b' and gpu == 'h200-141gb' and precision == 'native' and n_gpus == 2 and batch_size == 128"
        )
        .iloc[1]
        .to_dict()
    )
    most = planned(row)["max_context_tokens"]
    assert planned(row, "--context", most)["context_fits"] is True
    assert planned(row, "--context", most + 1)["context_fits"] is False


def test_a_plan_for_people_adds_up_and_names_its_law():
    done = call("plan", "--model", "mixtral-8x7b", "--gpu", "h100-80gb", "--n-gpus", "2", "--batch", "16", "--context", "20000")
    assert done.returncode == 0
    parts = re.findall(r"^ (.*?) +(-?[\d.,]+) +(-?[\d.]+)% *$", done.stdout, re.MULTILINE)
    assert sum(float(share) for _, _, share in parts) == pytest.approx(100, abs=0.4)
    (total,) = re.findall(r"^ memory +([\d.]+)", done.stdout, re.MULTILINE)
    assert sum(float(size) for _, size, _ in parts) == pytest.approx(float(total), abs=0.04)
    for word in (
        "KV cache, 16 x 20,000 tokens",
        "exact uniform law",
        "2-way tensor",
        "KV capacity",
        "maximum context",
        "KV extension",
    ):
        assert word in done.stdout


def test_plan_takes_law_and_policy_from_the_papers_reference(tmp_path: Path):
    mine = tmp_path / "config"
    shutil.copytree(REPOSITORY / "config", mine)
    text = (mine / "config.yaml").read_text(encoding="utf-8")
    (mine / "config.yaml").write_text(text.replace("routing: uniform", "routing: power_law"), encoding="utf-8")
    words = ("plan", "--model", "olmoe-1b-7b", "--gpu", "h100-80gb", "--json")
    taken = [json.loads(call(*catalogue, *words).stdout)["routing"] for catalogue in ((), ("--catalogue", mine))]
    assert taken == ["uniform", "power_law"]


def test_a_folder_whose_name_no_file_should_have_gives_a_model_all_the_same(tmp_path: Path):
    folder = tmp_path / "Kimi K2 (mine)"
    folder.mkdir()
    shutil.copy(IMPORTED / "kimi-k2.json", folder / "config.json")
    done = call("import-config", folder / "config.json", "--dry-run", "--json")
    assert json.loads(done.stdout)["model"] == "kimi-k2-mine"


def test_a_context_beyond_the_models_own_is_refused():
    words = ("plan", "--model", "olmoe-1b-7b", "--gpu", "h100-80gb", "--context")
    assert refused(*words, "5000") == "--context: 5000; allowed: at most 4096, the model's own maximum"
    assert call(*words, "4096").returncode == 0


def test_bf16_of_a_model_published_in_fewer_bits_is_called_hypothetical():
    assert "hypothetical" in call("plan", "--model", "deepseek-v3", "--gpu", "b200", "--n-gpus", "8").stderr
    assert (
        "hypothetical"
        not in call("plan", "--model", "deepseek-v3", "--gpu", "b200", "--n-gpus", "8", "--weights", "native").stderr
    )


def test_a_cache_that_stops_growing_is_said_to_be_bounded_by_the_model(tmp_path: Path):
    document = yaml.safe_load((REPOSITORY / "config/models/mixtral-8x7b.yaml").read_text())
    windowed, common = tmp_path / "windowed.yaml", ("--gpu", "b200", "--model")
    for mixer in document["mixers"].values():
        mixer["window_tokens"] = 512
    windowed.write_text(yaml.safe_dump(document))
    bounded = re.search("maximum context .*", call("plan", *common, windowed).stdout)
    assert bounded is not None
    assert f"{document['max_context_tokens']:,} tokens a sequence: the model's own" in bounded[0]
    assert "the model's own" not in call("plan", *common, "mixtral-8x7b").stdout


def test_what_a_sequence_takes_whatever_its_context_is_said():
    told = call("plan", "--model", "switch-base-8", "--gpu", "a100-80gb").stdout
    each = json.loads(call("plan", "--model", "switch-base-8", "--gpu", "a100-80gb", "--json").stdout)[
        "kv_constant_bytes_per_sequence"
    ]
    assert f"{each / 2**20:.1f} MiB of each sequence whatever its context" in told
    assert "whatever its context" not in call("plan", "--model", "mixtral-8x7b", "--gpu", "b200").stdout


def test_gpus_are_listed_with_what_they_have():
    listed = {line.split()[0]: line.split() for line in call("gpus").stdout.splitlines() if line.strip()}
    for entry in json.loads(call("gpus", "--json").stdout):
        assert listed[entry["gpu"]][-1] == f"{entry['compute']['peak_flops_per_s'] / 1e12:,.0f}"
        assert f"{entry['memory']['bytes']:,}" in listed[entry["gpu"]]


def test_parts_have_formats_of_their_own():
    common = ("plan", "--json", "--model", "mixtral-8x7b", "--gpu", "b200")
    plain, mixed = (
        json.loads(call(*common, *more).stdout)
        for more in ((), ("--experts", "int4", "--weights", "fp8", "--kv", "fp8", "--usable-fraction", "0.9"))
    )
    assert mixed["precision"] == "int4/fp8"
    assert mixed["kv_bytes_per_token"] * 2 == plain["kv_bytes_per_token"]
    assert mixed["resident_expert_bytes"] / plain["resident_expert_bytes"] == pytest.approx(4.156 / 16, rel=1e-3)
    assert mixed["usable_bytes"] == int(plain["usable_bytes"] * 0.9)


WRONG = [
    (("plan", "--model", "mixtal-8x7b", "--gpu", "b200"), r'model: "mixtal-8x7b"; allowed: .*did you mean mixtral-8x7b'),
    (("plan", "--model", "mixtral-8x7b", "--gpu", "b210"), r'gpu: "b210"; allowed: .*did you mean b200'),
    (("plan", "--model", "mixtral-8x7b"), "--gpu: missing"),
    (("plan", "--gpu", "b200"), "--model: missing"),
    (("plan", "--model", "nowhere/config.json", "--gpu", "b200"), "nowhere/config.json: file: .*missing"),
    *(
        (
            ("plan", "--model", "mixtral-8x7b", "--gpu", "b200", option, value),
            rf'^{option}: "?{re.escape(value)}"?; allowed: {allowed}',
        )
        for option, value, allowed in (
            ("--batch", "-1", "an integer from 1"),
            ("--batch", "0", "an integer"),
            ("--batch", "1.5", "an integer"),
            ("--batch", "99999999", "an integer"),
            ("--context", "0", "an integer"),
            ("--n-gpus", "0", "an integer"),
            ("--n-gpus", "33", "1 to 32"),
            ("--tp", "3", "1"),
            ("--ep", "16", "1"),
            ("--ep", "x", "an integer"),
            ("--weights", "int3", "fp32, bf16"),
            ("--experts", "native", "fp32"),
            ("--kv", "fp8_blocks", "fp32"),
            ("--state", "bf17", "fp32.*did you mean bf16"),
            ("--routing", "gauss", "beta, frequency, power_law, uniform"),
            ("--routing", "power_law:", "parameters as in power_law:exponent=0.9"),
            ("--routing", "power_law:exponent=0.9:exponent=0.5", "parameters as in .*, each once"),
            ("--policy", "lru", "all_resident, cpu_compute, layer_offload"),
            ("--policy", "prophet:overhead_bytes", "parameters as in"),
            ("--engine", "vllm", "ideal"),
            ("--usable-fraction", "1.1", "a number above 0"),
            ("--usable-fraction", "nan", "a number"),
            ("--max-step-tokens", "0", "an integer"),
            ("--source-tokens", "-1", "an integer from 0"),
        )
    ),
    (
        ("plan", "--model", "mixtral-8x7b", "--gpu", "b200", "--weights", "native", "--experts", "int4"),
        "--experts: .*--weights native",
    ),
    (
        ("plan", "--model", "mixtral-8x7b", "--gpu", "b200", "--n-gpus", "4", "--tp", "3"),
        r"--tp: 3; allowed: 1, 2, 4 \(for 4 GPUs",
    ),
    (("plan", "--nosuch"), "--nosuch: no such option; allowed: "),
    (("sweep", "--models", "dbrx, ,grok-1", "--gpus", "all", "--out", "x.csv"), '--models: "dbrx, ,grok-1"; allowed: words'),
    (("explain", "nosuch"), "model: .*allowed"),
    (("explain",), "allowed"),
    (("nosuch",), "command: nosuch; allowed: plan, fit, compare, recommend, simulate, models"),
    (("sweep", "--models", "nosuch", "--gpus", "all", "--out", "x.csv"), "model: "),
    (("sweep", "--models", "all", "--gpus", "x100", "--out", "x.csv"), "--gpus: .*allowed: v100"),
    (("sweep", "--models", "all", "--gpus", "all", "--out", "x.txt"), r"--out: x.txt; allowed: .*\.parquet"),
    (("sweep", "--models", "all", "--gpus", "all", "--batches", "1,-2", "--out", "x.csv"), '--batches: "-2"'),
    (
        ("sweep", "--models", "switch-base-8", "--gpus", "all", "--n-gpus", "1,16", "--out", "x.csv"),
        "--n-gpus: 16; .*switch-base-8",
    ),
]


@pytest.mark.parametrize(("arguments", "line"), WRONG)
def test_wrong_input_gets_one_line(arguments: tuple, line: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.chdir(tmp_path)
    assert re.search(line, refused(*arguments))
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize(
    ("text", "line"),
    [
        ("{", "config.json: line 1, column 2: "),
        ('{"model_type": "mixtral", "hidden_size": 4096, "num_', "config.json: line 1, column .*allowed: valid JSON, whole"),
        ("[]", "allowed: a JSON object"),
        ("\xff", "config.json: "),
        ('{"model_type": "mixtral", "num_hidden_layers": -3}', "config.json: num_hidden_layers: -3; allowed: "),
        ('{"model_type": "bert"}', 'config.json: model_type: "bert"; allowed: .*mixtral'),
        ("{}", "config.json: model_type: "),
        (
            '{"model_type": "mixtral", "model_type": "dbrx"}',
            "config.json: file: .*'model_type' stands twice.*; allowed: valid JSON",
        ),
        ('{"model_type": "mixtral", "num_experts_per_tok": 9}', "top_k: 9|num_experts_per_tok: 9"),
        ('{"model_type": "mixtral", "hidden_size": NaN}', "hidden_size: NaN; allowed: an integer"),
        ('{"model_type": "hunyuan_v1_moe"}', "num_experts: 1; allowed"),
    ],
)
def test_a_wrong_config_gets_one_line_and_writes_nothing(tmp_path: Path, text: str, line: str):
    checkout = copy_project(tmp_path / "checkout")
    file = tmp_path / "config.json"
    file.write_text(text, encoding="latin-1")
    before = {path: path.read_bytes() for path in (checkout / "config").rglob("*") if path.is_file()}
    assert re.search(line, refused("import-config", file, "--name", "mine", checkout=checkout))
    assert {path: path.read_bytes() for path in (checkout / "config").rglob("*") if path.is_file()} == before


@pytest.mark.parametrize("name", ["007", "yes", "1.10", "null", "2024-01-01"])
def test_a_name_that_yaml_takes_for_something_else_stays_text(name: str, tmp_path: Path):
    mine = Path(shutil.copytree(REPOSITORY / "config", tmp_path / "mine"))
    done = call("--catalogue", mine, "import-config", IMPORTED / "kimi-k2.json", "--name", name)
    assert done.returncode == 0, done.stderr
    assert json.loads(call("--catalogue", mine, "plan", "--json", "--model", name, "--gpu", "b200").stdout)["model"] == name


@pytest.mark.parametrize("name", ["all", "mine.json", "mine.yaml"])
def test_a_name_that_commands_take_for_something_else_is_refused(name: str, tmp_path: Path):
    mine = Path(shutil.copytree(REPOSITORY / "config", tmp_path / "mine"))
    assert "--name: " in refused("--catalogue", mine, "import-config", IMPORTED / "kimi-k2.json", "--name", name)


@pytest.mark.parametrize("broken", ["no models", "models is a file", "a file"])
def test_a_catalogue_without_models_is_refused(broken: str, tmp_path: Path):
    mine = Path(shutil.copytree(REPOSITORY / "config", tmp_path / "mine"))
    shutil.rmtree(mine / "models")
    (mine / "models").mkdir() if broken == "no models" else (mine / "models").write_text("", encoding="utf-8")
    folder = mine / "config.yaml" if broken == "a file" else mine
    assert "allowed: a folder with" in refused(
        "--catalogue", folder, "sweep", "--models", "all", "--gpus", "l40s", "--out", "x.csv"
    )


def test_an_imported_model_joins_the_catalogue_and_the_sweep(tmp_path: Path):
    checkout = copy_project(tmp_path / "checkout")
    file = IMPORTED / "kimi-k2.json"
    settings_file = checkout / "config/config.yaml"
    before = settings_file.read_text(encoding="utf-8")
    dry = call("import-config", file, "--name", "Kimi-K2", "--dry-run", "--json", checkout=checkout)
    counts = json.loads(dry.stdout)
    assert (counts["total_params"], counts["experts"], counts["kv_bytes_per_token"]) == (1_026_408_209_408, 384, 70272)
    assert settings_file.read_text(encoding="utf-8") == before
    done = call("import-config", file, "--name", "Kimi-K2", checkout=checkout)
    assert done.returncode == 0, done.stderr
    assert settings_file.read_text(encoding="utf-8") == before.replace(
        "    - llama-4-maverick\n", "    - llama-4-maverick\n    - kimi-k2\n"
    )
    assert "--replace" in refused("import-config", file, "--name", "Kimi-K2", checkout=checkout)
    assert call("import-config", file, "--name", "Kimi-K2", "--replace", checkout=checkout).returncode == 0
    plan = call("plan", "--model", "kimi-k2", "--gpu", "mi300x", "--n-gpus", "8", "--json", checkout=checkout)
    assert json.loads(plan.stdout)["model"] == "kimi-k2"
    script = [sys.executable, checkout / "scripts/sweep_model.py", "--model", checkout / "config/models/kimi-k2.yaml"]
    environment = os.environ | {"PYTHONPATH": str(checkout / "src")}
    swept = subprocess.run([*script, "--output", tmp_path / "shard.parquet"], env=environment, capture_output=True, check=False)
    assert swept.returncode == 0, swept.stderr


def test_a_list_on_one_line_grows_too():
    from prophet_memory.cli.import_config import with_model

    assert (
        with_model("sweep:\n  models: [a, b]  # two\n  gpus: [c]\n", "d") == "sweep:\n  models: [a, b, d]  # two\n  gpus: [c]\n"
    )
    assert with_model("sweep:\n  models:\n  - a  # first", "d") == "sweep:\n  models:\n  - a  # first\n  - d"


def config_file(folder: Path, config: dict, **beside: dict) -> Path:
    """A config.json, and other JSON files of its folder by their stems."""
    for name, content in {"config": config, **beside}.items():
        (folder / f"{name}.json").write_text(json.dumps(content), encoding="utf-8")
    return folder / "config.json"


GPT_OSS = json.loads((REPOSITORY / "tests/data/hf_configs/gpt-oss-120b.json").read_text(encoding="utf-8"))
NATIVE = {
    "gpt-oss-120b": {"quant_method": "mxfp4"},
    "deepseek-v3": {"quant_method": "fp8", "weight_block_size": [128, 128]},
}


def test_layers_stored_otherwise_keep_their_group_in_the_catalogue(tmp_path: Path):
    left_out = ["lm_head", "model.layers.4.self_attn.*", "model.layers.7.self_attn.*"]
    stated = {"quant_algo": "NVFP4", "quant_method": "modelopt", "ignore": left_out}
    file = config_file(tmp_path, GPT_OSS | {"quantization_config": stated})
    checkout = copy_project(tmp_path / "checkout")
    assert call("import-config", file, "--name", "mine", checkout=checkout).returncode == 0
    own = (checkout / "config/models/mine.yaml").read_text(encoding="utf-8")
    assert "published_precision: nvfp4/nvfp4/attention@1=bf16" in own
    assert own.count("format_group: 1") == 2  # a layer with a window and one without
    ask = ("--gpu", "h100-80gb", "--weights", "native", "--json")
    plans = [json.loads(call("plan", "--model", model, *ask, checkout=checkout).stdout) for model in (file, "mine")]
    assert plans[0] | {"model": "mine"} == plans[1]
    line = refused("plan", "--model", file, "--gpu", "h100-80gb", "--weights", "nvfp4/nvfp4/attention@2=bf16", checkout=checkout)
    assert line == '--weights: "nvfp4/nvfp4/attention@2=bf16"; allowed: of the model\'s groups of layers @1'
    asked = ("fit", "--model", file, "--context", "1000", "--gpus", "h100-80gb", "--weights")
    assert refused(*asked, "nvfp4/nvfp4/attention@2=bf16", checkout=checkout) == line
    assert call(*asked, "nvfp4/nvfp4/attention@1=fp8", checkout=checkout).returncode == 0
    text = own.replace("attention@1=bf16", "attention@3=bf16")
    (checkout / "config/models/mine.yaml").write_text(text, encoding="utf-8")
    line = refused("plan", "--model", "mine", "--gpu", "h100-80gb", checkout=checkout)
    assert "mine.yaml: published_precision: " in line
    assert line.endswith("of the model's groups of layers @1")


@pytest.mark.parametrize("model", NATIVE)
def test_a_models_own_config_is_stored_as_it_says(tmp_path: Path, model: str):
    config = json.loads((REPOSITORY / f"tests/data/hf_configs/{model}.json").read_text(encoding="utf-8"))
    folder = tmp_path / model
    folder.mkdir()
    file = config_file(folder, config | {"quantization_config": NATIVE[model]})
    common = ("plan", "--json", "--gpu", "h100-80gb", "--weights", "native", "--batch", "4", "--model")
    catalogue, own = (json.loads(call(*common, name).stdout) for name in (model, file))
    assert {key: own[key] for key in own if key != "notes"} == {key: catalogue[key] for key in catalogue if key != "notes"}
    out = tmp_path / "own.parquet"
    swept = call("sweep", "--models", f"{file}", "--gpus", "h100-80gb", "--precisions", "native", "--batches", "4", "--out", out)
    assert swept.returncode == 0, swept.stderr
    assert own["resident_expert_bytes"] in pd.read_parquet(out)["resident_expert_bytes"].to_list()


def test_a_format_that_is_not_understood_is_refused_until_another_is_named(tmp_path: Path):
    unknown = {"quantization": {"quant_algo": "W4A8_AWQ", "group_size": 128}}
    file = config_file(tmp_path, GPT_OSS, hf_quant_config=unknown)
    for weights in ((), ("--weights", "native")):
        line = refused("plan", "--model", file, "--gpu", "b200", *weights)
        assert re.match(
            r'.*config.json: hf_quant_config.json: quantization.quant_algo: "W4A8_AWQ"; allowed: .*--weights bf16', line
        )
    assert call("plan", "--model", file, "--gpu", "b200", "--weights", "bf16").returncode == 0
    assert "--precisions without native" in refused("sweep", "--models", file, "--gpus", "b200", "--out", tmp_path / "x.csv")
    assert "W4A8_AWQ" in refused("import-config", file, "--dry-run")
    assert call("import-config", file, "--dry-run", "--weights", "int4", "--name", "mine").returncode == 0
    assert call("explain", file).returncode == 0, "counts do not depend on how weights are stored"


def test_a_checkpoint_with_mixed_formats_is_planned_as_it_says(tmp_path: Path):
    stated = {
        "quant_method": "modelopt",
        "quant_algo": "NVFP4",
        "exclude_modules": ["lm_head", "*.self_attn.[qkv]_proj", "*.router"],
    }
    file = config_file(tmp_path, GPT_OSS | {"quantization_config": stated})
    name = "nvfp4/bf16/attention.o=nvfp4"
    common = ("plan", "--model", file, "--gpu", "b200")
    assert f"published precision ({name})" in call(*common, "--weights", "native").stdout
    native, named = (json.loads(call(*common, "--json", "--precision", own).stdout) for own in ("native", f"{name}/lm_head=bf16"))
    assert (native["precision"], named["precision"]) == ("native", name)
    assert (
        native["non_expert_bytes"] == named["non_expert_bytes"] < json.loads(call(*common, "--json").stdout)["non_expert_bytes"]
    )
    document = open_config(file).document or {}
    (own := tmp_path / "own.yaml").write_text(yaml.safe_dump(document), encoding="utf-8")
    catalogued = json.loads(call("plan", "--json", "--model", own, "--gpu", "b200", "--weights", "native").stdout)
    assert catalogued["non_expert_bytes"] == native["non_expert_bytes"]
    own.write_text(yaml.safe_dump(document | {"published_precision": "nvfp4/nvfp4/attn=bf16"}), encoding="utf-8")
    line = refused("plan", "--model", own, "--gpu", "b200")
    assert 'own.yaml: published_precision: "nvfp4/nvfp4/attn=bf16"; allowed: fp32, bf16' in line
    partly = stated | {"exclude_modules": ["lm_head", "*.router", "model.layers.0.mlp*"]}
    line = refused(*("plan", "--model", config_file(tmp_path, GPT_OSS | {"quantization_config": partly}), "--gpu", "b200"))
    assert re.search(
        r'exclude_modules: "model.layers.0.mlp\*"; allowed: one format for the routed experts in all layers, .*nvfp4', line
    )
    for wrong in ("nvfp4/nvfp4/attention", "nvfp4/nvfp4/attention=fp3", "int3"):
        assert f'--weights: "{wrong}"; allowed: fp32' in refused(*common, "--precision", wrong)
    assert "--experts" in refused(*common, "--weights", name, "--experts", "int4")


def test_a_config_that_does_not_say_how_it_is_stored_is_taken_as_bf16_and_says_so(tmp_path: Path):
    file = config_file(tmp_path, GPT_OSS)
    assert 'dtype "bfloat16"' in call("plan", "--model", file, "--gpu", "b200", "--weights", "native").stderr
    stated = config_file(tmp_path, GPT_OSS | {"torch_dtype": "bfloat16"})
    assert "dtype" not in call("plan", "--model", stated, "--gpu", "b200").stderr


def test_models_are_called_after_their_folder_or_their_own_file(tmp_path: Path):
    named = tmp_path / "mine.json"
    config_file(tmp_path, GPT_OSS).rename(named)
    assert json.loads(call("explain", named, "--json").stdout)["model"] == "mine"
    (tmp_path / "other").mkdir()
    (tmp_path / "other/mine.json").write_bytes(named.read_bytes())
    line = refused(
        "sweep",
        "--models",
        f"{named},{tmp_path}/other/mine.json",
        "--gpus",
        "b200",
        "--precisions",
        "bf16",
        "--out",
        tmp_path / "x.csv",
    )
    assert re.match(r"--models: .*/other/mine.json; allowed: each model once, and .*/mine.json is called mine, too", line)


def test_infinities_that_do_no_harm_are_read(tmp_path: Path):
    text = json.dumps(GPT_OSS)[:-1] + ', "time_step_limit": [0.0, Infinity], "limit": {"__float__": "Infinity"}, "x": NaN}'
    (tmp_path / "config.json").write_text(text, encoding="utf-8")
    assert call("explain", tmp_path / "config.json").returncode == 0
    (tmp_path / "config.json").write_text('{"model_type": "mixtral", "hidden_size": {"__float__": "Infinity"}}', encoding="utf-8")
    assert "hidden_size: Infinity; allowed: an integer" in refused("explain", tmp_path / "config.json")


def test_keys_that_a_config_leaves_out_are_told(tmp_path: Path):
    file = config_file(tmp_path, {"model_type": "mixtral", "vocab_size": 1000})
    done = call("plan", "--model", file, "--gpu", "b200")
    assert re.search(r"^note: config.json leaves out, .*: hidden_size 4096, .*num_local_experts 8", done.stderr, re.MULTILINE)
    assert "vocab_size" not in done.stderr
    (note,) = json.loads(call("plan", "--model", file, "--gpu", "b200", "--json").stdout)["notes"]
    assert "num_hidden_layers 32" in note


@pytest.mark.parametrize("words", [("import-config", "--dry-run"), ("explain",), ("plan", "--gpu", "b200", "--model")])
def test_what_a_config_of_a_multimodal_model_is_read_without_is_told(words: tuple[str, ...]):
    done = call(*words, IMPORTED / "qwen3-vl-235b-a22b.json")
    assert done.returncode == 0
    assert "qwen3-vl-235b-a22b is counted without its vision tower" in done.stderr


def test_exit_status_tells_whether_it_fits_only_where_asked():
    common = ("plan", "--model", "deepseek-v3", "--gpu", "l40s")
    assert call(*common).returncode == 0
    done = call(*common, "--check")
    assert (done.returncode, "does not fit" in done.stdout) == (1, True)
    small = ("plan", "--model", "olmoe-1b-7b", "--gpu", "h100-80gb", "--check", "--json")
    assert call(*small).returncode == 0
    done = call(*small, "--context", "4096", "--batch", "1000")
    assert (done.returncode, json.loads(done.stdout)["context_fits"]) == (1, False)


@pytest.mark.parametrize("name", ["Qwen3-30B-A3B", "Qwen/Qwen3-30B-A3B", "qwen/qwen3-30b-a3b"])
def test_a_model_by_its_name_or_its_repository(name: str):
    assert json.loads(call("plan", "--model", name, "--gpu", "b200", "--json").stdout)["model"] == "qwen3-30b-a3b"


def test_what_host_memory_must_hold():
    found = json.loads(call("plan", "--model", "mixtral-8x7b", "--gpu", "b200", "--json").stdout)
    assert found["host_bytes"] == 32 * 8 * 3 * 4096 * 14336 * 2
    assert "host memory        84.00 GiB for routed experts" in call("plan", "--model", "mixtral-8x7b", "--gpu", "b200").stdout
    few = ("plan", "--model", "mixtral-8x7b", "--gpu", "b200", "--latency", "--json", "--routing", "uniform", "--policy")
    for policy, share in (("static_cache:resident_fraction=0.5", 0.5), ("cpu_compute:resident_fraction=0.75", 0.25)):
        held = json.loads(call(*few, policy).stdout)
        assert held["host_bytes"] == held["latency"]["host_memory_bytes"] == share * found["host_bytes"]
    assert json.loads(call(*few, "all_resident").stdout)["host_bytes"] == 0


def test_a_plan_says_what_of_a_long_context_is_usable():
    text = call("plan", "--model", "qwen3-30b-a3b", "--gpu", "a100-80gb", "--batch", "1").stdout
    assert "KV capacity        788,862 tokens over the batch, usable 40,960" in text
    assert "KV extension       3.34× over all experts resident (3.3430), usable 1.00×" in text


def test_a_sweep_of_a_context_says_so(tmp_path):
    words = ("sweep", "--models", "olmoe-1b-7b", "--gpus", "l4", "--n-gpus", "1", "--batches", "1", "--context", "4096")
    done = call(*words, "--out", tmp_path / "rows.csv")
    assert "as in config/config.yaml: --routings " in done.stderr
    assert set(pd.read_csv(tmp_path / "rows.csv")["context_tokens"]) == {4096}


def test_a_context_that_the_baseline_cannot_hold_newly_fits():
    asked = ("plan", "--model", "qwen3-30b-a3b", "--gpu", "a100-80gb", "--batch", "12", "--provision", "mean", "--context")
    both, one = (json.loads(call(*asked, context, "--json").stdout) for context in (1000, 40_960))
    assert (both["fit_verdict"], both["kv_extension"] > 1) == ("fits", True)
    assert (one["fit_verdict"], one["kv_extension"], one["context_fits"]) == ("newly_fits", None, True)
    told = call(*asked, "40960").stdout
    assert "fits, with 40,960 tokens in each of 12 sequences, where all experts resident do not" in told
    assert "12 sequences of 40,960 tokens at once; with all experts resident 5 (2.40×)" in told
    assert "KV extension" not in told


def test_sixteen_bits_are_not_called_hypothetical(tmp_path: Path):
    file = tmp_path / "config.json"
    file.write_text('{"model_type": "mixtral", "torch_dtype": "float16"}')
    assert "hypothetical" not in call("plan", "--model", file, "--gpu", "b200").stderr


def test_a_precision_that_a_file_beside_states_is_no_default(tmp_path: Path):
    file = tmp_path / "config.json"
    file.write_text('{"model_type": "mixtral"}')
    assert 'dtype "bfloat16"' in call("plan", "--model", file, "--gpu", "b200", "--weights", "fp8").stderr
    (tmp_path / "hf_quant_config.json").write_text('{"quantization": {"quant_algo": "FP8"}}')
    assert "bfloat16" not in call("plan", "--model", file, "--gpu", "b200", "--weights", "fp8").stderr


def test_the_reference_takes_no_option_that_it_would_ignore():
    for option in (("--name", "x"), ("--dry-run",), ("--replace",)):
        line = refused("import-config", IMPORTED / "kimi-k2.json", "--via-transformers", *option)
        assert line.startswith(f"{option[0]}: beside --via-transformers")


def test_one_verdict_says_whether_the_context_fits():
    done = call("plan", "--model", "olmoe-1b-7b", "--gpu", "h100-80gb", "--batch", "1000", "--context", "4096")
    (line,) = [line for line in done.stdout.splitlines() if line.startswith("verdict")]
    assert re.fullmatch(r"verdict +does not fit with 4,096 tokens in each of 1,000 sequences; [\d,]+ would", line)
    small = ("plan", "--model", "olmoe-1b-7b", "--gpu", "b200", "--context", "100")
    assert "verdict            fits, with 100 tokens" in call(*small).stdout


@pytest.mark.parametrize(
    ("gpu", "meant"), [("h200", "h200-141gb"), ("H100-80G", "h100-80gb"), ("a100", "a100-40gb or a100-80gb"), ("b210", "b200")]
)
def test_a_name_that_begins_so_is_meant_whatever_its_case(gpu: str, meant: str):
    assert refused("plan", "--model", "dbrx", "--gpu", gpu).endswith(f"(did you mean {meant}?)")


@pytest.mark.parametrize("gpu", ["H100-80GB", "RTX 4090", "rtx-4090"])
def test_a_gpu_can_be_called_as_tables_print_it(gpu: str):
    assert call("plan", "--model", "olmoe-1b-7b", "--gpu", gpu).returncode == 0


def test_the_host_that_computes_can_be_named():
    words = ("compare", "--model", "gpt-oss-20b", "--gpu", "rtx-4090", "--batch", "8", "--precisions", "native")
    desktop = call(*words, "--host", "89.6:1.2", "--host-memory", "pageable")
    assert "copies from pageable memory, a host of 89.6 GB/s and 1.2 TFLOP/s (--host)" in desktop.stdout
    ours, theirs = (json.loads(call(*words, *more, "--json").stdout) for more in ((), ("--host", "89.6:1.2")))
    slow = [next(one for one in found["alternatives"] if one["policy"] == "cpu_compute")["step_s"] for found in (ours, theirs)]
    assert slow[0] < slow[1] / 1.5
    assert theirs["timing"]["host_memory_bytes_per_s"] == 89_600_000_000
    for wrong in ("fast", "0:1", "89.6:", "1e3"):
        assert f'--host: "{wrong}"; allowed: GB/s[:TFLOP/s] with numbers from' in refused(*words, "--host", wrong)
    assert "--host: alone; allowed: beside --latency" in refused("plan", "--model", "dbrx", "--gpu", "b200", "--host", "50")


def test_parameters_are_joined_by_colons():
    refusal = refused("plan", "--model", "dbrx", "--gpu", "b200", "--policy", "prophet:recall=0.9,wasted=0.2")
    assert "allowed: a colon before each parameter, as in prophet:recall=0.9:wasted=0.2" in refusal


def test_a_sweep_says_what_its_times_rest_on(tmp_path: Path):
    words = ("sweep", "--models", "dbrx", "--gpus", "b200", "--batches", "1", "--routings", "uniform", "--policies", "prophet")
    for name, more in (("a.csv", ()), ("b.csv", ("--fixed-costs", "--host-memory", "pageable"))):
        call(*words, "--latency", *more, "--out", tmp_path / name)
    first, second = (pd.read_csv(tmp_path / name) for name in ("a.csv", "b.csv"))
    assert (set(first["host_memory"]), set(second["host_memory"])) == ({"pinned"}, {"pageable"})
    assert (first["has_fixed_costs"].any(), second["has_fixed_costs"].all()) == (False, True)
    assert set(first["timed_context_tokens"]) == {8192}


def test_what_cannot_run_is_timed_with_a_warning():
    done = call("plan", "--model", "mixtral-8x7b", "--gpu", "l4", "--latency")
    assert "warning: times are of 16 x 8,192 tokens, which do not fit" in done.stderr


def test_lists_may_have_spaces_and_folders_are_not_made(tmp_path: Path):
    out = tmp_path / "own.csv"
    done = call("sweep", "--models", " dbrx, grok-1 ", "--gpus", "b200 , l40s", "--batches", " 1, 2", "--out", out)
    assert done.returncode == 0, done.stderr
    assert set(pd.read_csv(out)["model"]) == {"dbrx", "grok-1"}
    assert "--out: " in refused("sweep", "--models", "dbrx", "--gpus", "b200", "--out", tmp_path / "new" / "own.csv")
    assert not (tmp_path / "new").exists()


def test_names_are_shown_as_they_stand(tmp_path: Path):
    name = "A [bold]b[/nosuch] :smile:"
    text = (REPOSITORY / "config/models/dbrx.yaml").read_text(encoding="utf-8")
    file = tmp_path / "mine.yaml"
    file.write_text(re.sub(r"^name: .*", f'name: "{name}"', text, flags=re.MULTILINE), encoding="utf-8")
    assert call("plan", "--model", file, "--gpu", "b200").stdout.startswith(name)
    assert name in call("explain", file).stdout


def test_a_terminal_of_ascii_gets_an_answer():
    done = subprocess.run(
        [*PROGRAM, "models"], capture_output=True, text=True, check=False, env=os.environ | {"PYTHONIOENCODING": "ascii"}
    )
    assert done.returncode == 0
    assert re.fullmatch("note: counted without its vision tower: .*gemma-4-26b-a4b, .*\n", done.stderr)
    assert "mixtral-8x7b" in done.stdout


def test_pools_that_do_not_follow_the_routing_are_said_to_be_so():
    words = ("plan", "--model", "qwen3-30b-a3b", "--gpu", "a100-80gb", "--batch", "16", "--policy")
    assert "pools of 64.00 at every batch" in call(*words, "lru_cache:resident_fraction=0.5").stdout
    assert "for the p99 of each layer" in call(*words, "prophet").stdout
    assert "pools" not in call(*words, "all_resident").stdout


def test_programs_are_told_what_is_not_counted():
    told = json.loads(call("explain", "gemma-4-26b-a4b", "--json").stdout)["warnings"]
    assert len(told) == 1
    assert "is counted without its vision tower" in told[0]
    listed = {model["model"]: model["leaves_out"] for model in json.loads(call("models", "--json").stdout)}
    assert (listed["gemma-4-26b-a4b"], listed["mixtral-8x7b"]) == ("its vision tower", None)


def test_a_link_that_leads_to_itself_is_one_line(tmp_path: Path):
    for name in ("loop.yaml", "loop.json"):
        (tmp_path / name).symlink_to(name)
        assert "Too many levels of symbolic links" in refused("plan", "--model", tmp_path / name, "--gpu", "b200")


@pytest.mark.parametrize(("experts", "n_gpus"), [(10**6, 8), (10**8, 8), (3000, 2)])
def test_huge_models_and_batches_are_answered_at_once(tmp_path: Path, experts: int, n_gpus: int):
    text = (REPOSITORY / "config/models/mixtral-8x7b.yaml").read_text(encoding="utf-8")
    file = tmp_path / "huge.yaml"
    text = text.replace("routed_experts: 8", f"routed_experts: {experts}").replace("size: 14336", "size: 1")
    file.write_text(text, encoding="utf-8")
    done = subprocess.run(
        [*PROGRAM, "plan", "--model", file, "--gpu", "b200", "--n-gpus", str(n_gpus), "--batch", str(2**20)],
        capture_output=True, text=True, check=False, timeout=60,
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    assert "experts a layer resident on the fullest rank" in done.stdout


def test_sizes_beyond_any_machine_are_one_line(tmp_path: Path):
    text = (REPOSITORY / "config/models/mixtral-8x7b.yaml").read_text(encoding="utf-8")
    file = tmp_path / "huge.yaml"
    file.write_text(re.sub(r"(experts|size): \d+", r"\1: 100000000", text), encoding="utf-8")
    assert re.search(
        r"huge.yaml: routed_expert_bytes: \d+; allowed: less than 2\^59", refused("plan", "--model", file, "--gpu", "b200")
    )


def test_the_types_that_are_read_are_listed_and_counted():
    from prophet_memory.edge.configuration import known_models, read_gpus
    from prophet_memory.huggingface import SUPPORTED_TYPES

    listed = " ".join(call("import-config", "--help").stdout.split())
    assert ", ".join(SUPPORTED_TYPES) in listed
    readme = (REPOSITORY / "README.md").read_text(encoding="utf-8")
    assert re.findall(r"(\d+) types of\s+Hugging Face configs", readme) == [str(len(SUPPORTED_TYPES))]
    assert re.findall(r"of\s+(\d+) models and (\d+) GPUs", readme) == [(str(len(known_models())), str(len(read_gpus())))]


def test_a_sweep_of_ones_own_is_the_papers_where_they_meet(rows: pd.DataFrame, tmp_path: Path):
    out = tmp_path / "own.parquet"
    done = call(
        "sweep", "--models", "mixtral-8x7b,dbrx", "--gpus", "b200,l40s", "--batches", "16,1", "--n-gpus", "2,1", "--precisions",
        "bf16", "--out", out,
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    own = pd.read_parquet(out)
    same = rows.query(
        "model in ['mixtral-8x7b', 'dbrx'] and gpu in ['b200', 'l40s'] and batch_size in [1, 16] and n_gpus in [1, 2]"
        " and precision == 'bf16'"
    )
    pd.testing.assert_frame_equal(own, same.reset_index(drop=True))
    assert len(own) == 2 * 2 * 2 * 2 * 2 * 2 * 3


def test_the_catalogue_as_tables_and_for_programs():
    models = json.loads(call("models", "--json").stdout)
    assert [model["model"] for model in models] == sorted(MODELS)
    gpus = json.loads(call("gpus", "--json").stdout)
    assert [gpu["gpu"] for gpu in gpus] == list(read_gpus())
    for command, names in (("models", MODELS), ("gpus", [gpu["gpu"] for gpu in gpus])):
        text = call(command).stdout
        assert all(name in text for name in names)


def test_the_cache_of_every_model_is_explained_to_the_byte(model: str):
    explained = json.loads(call("explain", model, "--json").stdout)
    assert sum(explained["components"].values()) == explained["total_params"]
    per_token = sum(part["bytes"] for part in explained["cache"] if "for each of" in part["part"])
    once = sum(part["bytes"] for part in explained["cache"] if part["part"].endswith("once"))
    assert (per_token, once) == (explained["kv_bytes_per_token"], explained["state_bytes_per_sequence"])
    for part in explained["cache"]:
        product = re.sub(r"layers|values|heads|B|,", "", part["formula"]).replace("x", "*")
        assert re.fullmatch(r"[\d*+() ]+", product)
        assert eval(product) == part["bytes"]  # noqa: S307 - digits and signs


def test_help_imports_nothing_heavy_and_plan_no_table_library():
    code = "import sys; from prophet_memory.cli import program; {}; print(' '.join(sys.modules))"
    listed = subprocess.run(
        [sys.executable, "-c", code.format("None")], capture_output=True, text=True, check=True
    ).stdout.split()
    assert not {"numpy", "polars", "yaml", "pydantic"} & set(listed)
    plan = "from prophet_memory.cli.plan import command"
    loaded = subprocess.run([sys.executable, "-c", code.format(plan)], capture_output=True, text=True, check=True).stdout.split()
    assert not {"polars", "matplotlib", "snakemake", "torch"} & set(loaded)


words = st.one_of(
    st.sampled_from(
        ["--batch", "--tp", "--ep", "--n-gpus", "--context", "--weights", "--kv", "16", "bf16", "native", "fp8", "-1", "0"]
    ),
    st.text(st.characters(exclude_characters="\0", exclude_categories=["Cs"]), max_size=8),
)


@settings(max_examples=300)
@given(st.lists(words, max_size=6))
def test_any_words_give_an_answer_or_one_line(arguments: list[str]):
    import click

    from prophet_memory.cli import one_line, program
    from prophet_memory.edge.command import ConfigurationError

    known = ["plan", "--model", "olmoe-1b-7b", "--gpu", "l40s", "--json"]
    try:
        program([*known, *arguments], standalone_mode=False)
    except ConfigurationError as problem:
        assert str(problem)
    except click.ClickException as problem:
        assert one_line(problem)


@pytest.mark.parametrize("name", ["granite-3.1-3b-a800m", "qwen3-8b", "kimi-k2"])
def test_the_reference_counts_what_the_importer_counts(name: str, tmp_path: Path):
    pytest.importorskip("transformers", reason="the extra [reference] is not installed")
    config = json.loads((IMPORTED / f"{name}.json").read_text(encoding="utf-8"))
    if config["model_type"] == "kimi_k2":  # remote code with DeepSeek-V3's classes
        config["model_type"] = "deepseek_v3"
    file = tmp_path / "config.json"
    file.write_text(json.dumps(config), encoding="utf-8")
    own, theirs = (
        json.loads(call("import-config", file, "--json", *more).stdout) for more in (("--dry-run",), ("--via-transformers",))
    )
    unknown = {"state_bytes_per_sequence"}
    assert {key: value for key, value in own.items() if key not in {"model", *unknown}} == {
        key: value for key, value in theirs.items() if key not in unknown
    }


OTHERS = json.loads((REPOSITORY / "tests/data/vision_configs.json").read_text(encoding="utf-8"))  # as published


@pytest.mark.parametrize("model", OTHERS)
def test_what_a_multimodal_model_has_beside_its_language_model_is_counted(model: str, tmp_path: Path):
    pytest.importorskip("transformers", reason="the extra [reference] is not installed")
    config = json.loads((REPOSITORY / f"tests/data/hf_configs/{model}.json").read_text(encoding="utf-8"))
    if model == "gemma-4-26b-a4b":
        config["audio_config"] = None
    file = config_file(tmp_path, config | {"vision_config": OTHERS[model]})
    done = call("import-config", file, "--dry-run", "--json")
    others = json.loads(done.stdout)["other_params"]
    assert others == read_model(REPOSITORY / f"config/models/{model}.yaml").other_params
    assert f"without its vision tower ({others:,} parameters)" in call("plan", "--model", model, "--gpu", "b300").stderr
    assert re.search(r"note: published in \w+ \(--weights native\)", done.stderr)
    assert (with_others(open_config(file)).document or {})["other_params"] == others


def test_without_the_extra_what_is_beside_a_language_model_is_named(tmp_path: Path):
    file = config_file(tmp_path, {"model_type": "llama4"})
    blocked = "import sys; sys.modules['torch'] = None; from prophet_memory.cli import main; main()"
    command = [sys.executable, "-c", blocked, "import-config", str(file), "--dry-run", "--json"]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert json.loads(done.stdout)["other_params"] is None
    assert "note: its vision tower: without the extra [reference] (torch and transformers) it is not counted" in done.stderr
    assert "counted without its vision tower: an engine" in done.stderr


def test_the_reference_counts_what_the_importer_refuses(tmp_path: Path):
    pytest.importorskip("transformers", reason="the extra [reference] is not installed")
    file = tmp_path / "config.json"
    file.write_text('{"model_type": "llama", "hidden_size": 64, "num_hidden_layers": 2, "vocab_size": 100}', encoding="utf-8")
    counts = json.loads(call("import-config", file, "--json", "--via-transformers").stdout)
    assert (counts["routed_expert_params"], counts["experts"]) == (0, None)
    assert counts["active_params_per_token"] == counts["total_params"] > 0
    file.write_text('{"model_type": "nosuch"}', encoding="utf-8")
    assert re.search('config.json: model_type: "nosuch"; allowed: ', refused("import-config", file, "--via-transformers"))


def test_without_the_extra_the_line_says_what_is_missing(tmp_path: Path):
    file = tmp_path / "config.json"
    file.write_text("{}", encoding="utf-8")
    blocked = "import sys; sys.modules['torch'] = None; from prophet_memory.cli import main; main()"
    command = [sys.executable, "-c", blocked, "import-config", str(file), "--via-transformers"]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert (done.returncode, done.stderr.count("\n")) == (2, 1)
    assert "with the extra [reference]" in done.stderr


def test_a_gpu_that_is_not_catalogued_is_named_by_its_memory():
    words = ("plan", "--model", "mixtral-8x7b", "--weights", "int4", "--json", "--gpu")
    own, known = (json.loads(call(*words, gpu).stdout) for gpu in ("custom:79.20488", "h100-80gb"))
    assert own["gpu"] == "custom:79.20488"
    assert own["kv_capacity_tokens"] == pytest.approx(known["kv_capacity_tokens"], rel=1e-4)
    assert json.loads(call(*words, "custom:48:960").stdout)["gpu_memory_bytes"] == 48 * 2**30
    timed = ("--latency", "--batch", "4")
    own, known = (json.loads(call(*words, gpu, *timed).stdout) for gpu in ("custom:44.42:864:181:25", "l40s"))
    assert own["latency"]["step_s"] == pytest.approx(known["latency"]["step_s"], rel=1e-3)
    assert 'gpu: "custom:48:960"; allowed: a GPU with peak arithmetic' in refused(*words, "custom:48:960", *timed)
    for wrong in (
        "custom",
        "custom:",
        "custom:many",
        "custom:0",
        "custom:-4",
        "custom:48:",
        "custom:48:960:1",
        "custom:1e3",
        "custom:999999",
    ):
        assert f'gpu: "{wrong}"; allowed: custom:GiB[:GB/s[:TFLOP/s:GB/s of the host link]]' in refused(*words, wrong)


def test_a_sweep_without_a_file_is_printed(tmp_path: Path):
    words = (
        "sweep",
        "--models",
        "qwen3-30b-a3b",
        "--gpus",
        "a100-80gb",
        "--n-gpus",
        "1",
        "--batches",
        "1,16",
        "--routings",
        "uniform",
    )
    words = (*words, "--precisions", "bf16", "--policies", "prophet", "--provisions", "mean,p99_pooled")
    done = call(*words)
    assert re.search(r"qwen3-30b-a3b +a100-80gb +1 +16 +uniform +bf16 +prophet +mean +445,920 +27,870 +1.89× +fits", done.stdout)
    assert re.search(r" 1 +uniform .* 40,960 +788,862 +1.00× +fits", done.stdout)
    asked = call(*words, "--context", "32768", "--usable-fraction", "0.95").stdout
    assert re.search(r" 16 +uniform .* does not fit", asked)
    assert "--context: 50000; allowed: at most 40960" in refused(*words, "--context", "50000")
    many = call("sweep", "--models", "qwen3-30b-a3b", "--gpus", "all")
    assert re.search(r"200 of [\d,]+ rows: --out FILE.csv writes all", many.stderr)
    out = tmp_path / "own.parquet"
    call(*words, "--engine", "vllm-0.19", "--out", out)
    assert pd.read_parquet(out)["activation_bytes"].min() > 700 * 2**20  # the profile's buffers, not those of ideal


def test_a_sweep_takes_gpus_that_are_not_catalogued_and_leaves_out_short_models(tmp_path: Path):
    few = ("--n-gpus", "1", "--batches", "16", "--routings", "uniform", "--precisions", "bf16", "--policies", "prophet")
    few = (*few, "--provisions", "p95")
    own = tmp_path / "own.csv"
    call("sweep", "--models", "qwen3-30b-a3b", "--gpus", "h100-80gb,custom:96:1800", *few, "--out", own)
    swept = pd.read_csv(own)
    assert list(swept["gpu"]) == ["custom:96:1800", "h100-80gb"]
    planned = json.loads(call("plan", "--model", "qwen3-30b-a3b", "--gpu", "custom:96", "--batch", "16", "--json").stdout)
    assert swept["gpu_memory_bytes"][0] == planned["gpu_memory_bytes"]
    assert '--gpus: "custom:0"; allowed: custom:GiB' in refused("sweep", "--models", "dbrx", "--gpus", "custom:0")
    done = call("sweep", "--models", "all", "--gpus", "b200", *few, "--context", "32768", "--out", own)
    models = pd.read_csv(own)["model"].unique()
    assert "qwen3-30b-a3b" in models  # 40,960 tokens
    assert "olmoe-1b-7b" not in models  # 4,096
    assert re.search(r"note: sequences of 32,768 tokens are beyond .*olmoe-1b-7b.*, which are left out", done.stderr)
    assert "own maximum" in refused("sweep", "--models", "olmoe-1b-7b", "--gpus", "b200", "--context", "32768")
