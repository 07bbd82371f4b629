"""Every file of config and every query, broken at random: an answer or one line that names the file, no traceback, no hang.

CI runs CASES of each kind, more than 20,000 together; elsewhere a tenth.
"""

from __future__ import annotations

import copy
import os
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import yaml
from conftest import ASSUMED, REPOSITORY, RESULTS, grid_of
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from prophet_memory.axes import KEYS
from prophet_memory.edge.command import ConfigurationError
from prophet_memory.edge.configuration import read_cluster, read_gpus, read_model, read_models
from prophet_memory.edge.documents import read_yaml
from prophet_memory.edge.settings import check_settings, read_design_space
from prophet_memory.errors import ArchitectureError
from prophet_memory.parallelism import ParallelismError
from prophet_memory.sweeps import sweep
from prophet_paper.claims import UNITS, judge
from prophet_paper.ledger import Claim, Claimed, read_claims
from prophet_paper.prose import Number, evaluated, read_numbers
from prophet_paper.queries import Query, QueryError, Results

CONFIG = REPOSITORY / "config"
CASES = 1 if os.environ.get("CI") else 0.1
MODELS = ("mixtral-8x7b", "switch-base-8", "qwen3-next-80b-a3b", "deepseek-v3", "jamba-1.5-large")
AXES = {"n_gpus": [1, 8], "batch_sizes": [1, 2**20], "precisions": ["bf16", "native"], "policies": ["prophet"]}
RESULT_FILES = [
    f for f in (REPOSITORY / RESULTS).iterdir() if f.suffix in {".csv", ".parquet"} and f.name != "prophet_kv_extension_data.csv"
]
QUERIED = Results(RESULT_FILES)
EVERYWHERE = dict.fromkeys(KEYS, "all")
COLUMNS = sorted({column for file in RESULT_FILES for column in QUERIED.table(file.stem).columns})

numbers = st.integers(-3, 70) | st.sampled_from([10**6, 10**8, 10**8 + 1, 2**31, 2**63, 10**30, 10**400]) | st.floats()
words = st.text(max_size=6) | st.sampled_from(
    ["", "[bold]", "a\nb", "bf16", "native", "uniform", "all", "1e5", "~", "mixtral-8x7b"]
)
scalars = st.none() | st.booleans() | numbers | words
values = st.recursive(
    scalars, lambda inner: st.lists(inner, max_size=3) | st.dictionaries(scalars, inner, max_size=2), max_leaves=4
)


def places(node: Any, path: tuple = ()) -> list[tuple]:
    """Paths of every value in a document."""
    inside = node.items() if isinstance(node, dict) else enumerate(node) if isinstance(node, list) else ()
    return [path, *(place for key, value in inside for place in places(value, (*path, key)))]


def at(node: Any, path: tuple) -> Any:
    for part in path:
        node = node[part]
    return node


@st.composite
def broken(draw: st.DrawFn, document: Any) -> Any:
    """The document with one or two changes: a value replaced, taken from elsewhere, left out, doubled, or a key renamed."""
    changed = copy.deepcopy(document)
    for _ in range(draw(st.integers(1, 2))):
        paths = places(changed)
        path = draw(st.sampled_from(paths))
        if not path:
            continue
        parent, key = at(changed, path[:-1]), path[-1]
        change = draw(st.sampled_from(["replace", "replace", "borrow", "leave out", "double", "rename"]))
        if change == "replace":
            parent[key] = draw(values)
        elif change == "borrow":
            parent[key] = copy.deepcopy(at(changed, draw(st.sampled_from(paths))))
        elif change == "leave out":
            del parent[key]
        elif change == "double" and isinstance(parent, list):
            parent.append(copy.deepcopy(parent[key]))
        elif change == "rename" and isinstance(parent, dict):
            parent[draw(scalars)] = parent.pop(key)
    return changed


def answered(read: Callable[[], object], file: Path) -> None:
    """Called, or refused in one line that begins with the file."""
    try:
        read()
    except ConfigurationError as problem:
        assert "\n" not in str(problem)
        assert str(problem).startswith(f"{file}: ") or "config/" in str(problem).partition(":")[0], problem


def fuzz(cases: int, document: Any, file: Path, read: Callable[[Path], object]) -> None:
    """Break the document so many times, write it, read it."""

    @settings(max_examples=int(cases * CASES), suppress_health_check=list(HealthCheck))
    @given(broken(document))
    def one(changed: Any) -> None:
        file.write_text(yaml.dump(changed, Dumper=DUMPER, allow_unicode=True), encoding="utf-8", errors="surrogatepass")
        answered(lambda: read(file), file)

    one()


class DUMPER(getattr(yaml, "CSafeDumper", yaml.SafeDumper)):
    """Writes what it is given, once for each place."""

    def ignore_aliases(self, data: Any) -> bool:
        del data
        return True


def document(name: str) -> Any:
    return yaml.safe_load((CONFIG / name).read_text(encoding="utf-8"))


def test_settings(tmp_path: Path):
    models, gpus = list(read_models()), list(read_gpus())

    def read(file: Path) -> None:
        check_settings(read_yaml(file), models, gpus, file)

    fuzz(2400, document("config.yaml"), tmp_path / "config.yaml", read)


def test_gpus(tmp_path: Path):
    fuzz(2600, document("gpus.yaml"), tmp_path / "gpus.yaml", read_gpus)


def test_cluster(tmp_path: Path):
    fuzz(1000, document("cluster.yaml"), tmp_path / "cluster.yaml", read_cluster)


def test_design_space(tmp_path: Path):
    models, gpus = list(read_models()), list(read_gpus())
    fuzz(2000, document("design_space.yaml"), tmp_path / "design_space.yaml", lambda file: read_design_space(models, gpus, file))


@pytest.mark.parametrize("name", MODELS)
def test_models_are_swept_or_refused(tmp_path: Path, name: str):
    def read(file: Path) -> None:
        architecture = read_model(file).architecture
        try:
            sweep(grid_of({name: architecture}, {"h100-80gb": 85_000_000_000}, **AXES), ASSUMED).to_polars()
        except (ArchitectureError, ParallelismError) as problem:
            assert problem.allowed

    fuzz(1000, document(f"models/{name}.yaml"), tmp_path / f"{name}.yaml", read)


def some_claims() -> dict[str, Any]:
    """The ledger with one claim of each kind."""
    ledger = document("claims.yaml")
    kinds: dict[tuple, dict] = {}
    for claim in ledger["claims"]:
        kinds.setdefault((*claim["claim"], *claim.get("query", ())), claim)
    return {"defaults": ledger["defaults"], "claims": list(kinds.values())}


def asked(entry: Any, defaults: Any) -> None:
    """The entry is judged, or its query refused."""
    for law in ("power_law", "uniform"):
        try:
            finding = judge(entry, QUERIED, law, defaults)
        except QueryError as problem:
            assert problem.key
        else:
            assert finding.verdict


def test_claims_are_judged_or_refused(tmp_path: Path):
    def read(file: Path) -> None:
        ledger = read_claims(file)
        for entry in ledger.claims[:6]:
            asked(entry, ledger.defaults)

    fuzz(250, some_claims(), tmp_path / "claims.yaml", read)


wanted = (
    scalars
    | st.lists(scalars, min_size=1, max_size=3)
    | st.fixed_dictionaries({}, optional={"at_least": numbers, "at_most": numbers})
)
expressions = (
    st.sampled_from(COLUMNS)
    | st.builds(
        "{} {} {}".format,
        st.sampled_from(COLUMNS),
        st.sampled_from(["+", "-", "*", "/", "<", "=", "||"]),
        st.sampled_from(COLUMNS),
    )
    | st.builds(
        "{}({})".format,
        st.sampled_from(["SUM", "MAX", "LENGTH", "SQRT", "LN", "CAST", "UPPER", "nosuch"]),
        st.sampled_from(COLUMNS),
    )
    | st.sampled_from(
        ["*", "1", "'a'", "NULL", "1/0", "0/0", "{routing}", "CASE WHEN experts > 8 THEN name ELSE 1 END", "SELECT 1", "("]
    )
    | st.text(max_size=12)
)
queries = st.builds(
    Query,
    table=st.sampled_from([file.stem for file in RESULT_FILES]) | words,
    value=expressions,
    where=st.dictionaries(st.sampled_from(COLUMNS) | words, wanted, max_size=3),
    statistic=st.none() | st.sampled_from(["mean", "median", "min", "max", "sum", "count"]),
)
claims = st.sampled_from(
    [{"value": "9.0", "unit": unit} for unit in UNITS]
    + [{"range": ["1", "2"], "unit": "times"}, {"above": "1", "unit": "experts", "quantifier": "some"}]
    + [
        {"order": order, "along": along}
        for order in ("decreasing", "nondecreasing")
        for along in ("model", "batch_size", "name", "x")
    ]
)


@settings(max_examples=int(4500 * CASES), suppress_health_check=list(HealthCheck))
@given(queries, claims, st.dictionaries(st.sampled_from(COLUMNS), wanted, max_size=2))
def test_any_query_is_answered_or_refused(query: Query, claim: dict, defaults: dict):
    entry = Claim(id="a", section="a", quote="a", claim=Claimed(**claim), query=query, expected={"uniform": "reproduced"})
    defaults = EVERYWHERE | defaults
    asked(entry, defaults)
    form = "integer" if claim.get("unit") == "count" else "gib"
    try:
        assert evaluated("Name", Number(query=query, format=form), QUERIED, defaults)
    except QueryError as problem:
        assert problem.key


def test_numbers_are_printed_or_refused(tmp_path: Path):
    whole = document("numbers.yaml")
    some = {"defaults": whole["defaults"], "numbers": dict(list(whole["numbers"].items())[::6])}

    def read(file: Path) -> None:
        found = read_numbers(file)
        for name, entry in list(found.numbers.items())[:3]:
            try:
                evaluated(name, entry, QUERIED, found.defaults)
            except QueryError as problem:
                assert problem.key

    fuzz(1000, some, tmp_path / "numbers.yaml", read)


@settings(max_examples=int(3000 * CASES))
@given(st.data())
def test_bytes_that_are_cut_or_swapped(data: st.DataObject):
    """Files as a full disk or a bad copy leaves them."""
    name = data.draw(st.sampled_from(["gpus.yaml", "cluster.yaml", "models/mixtral-8x7b.yaml", "models/deepseek-v3.yaml"]))
    content = bytearray((CONFIG / name).read_bytes())
    place = data.draw(st.integers(0, len(content) - 1))
    if data.draw(st.booleans()):
        del content[place:]
    else:
        content[place : place + data.draw(st.integers(0, 3))] = data.draw(
            st.binary(max_size=3) | st.sampled_from([b"&a ", b"*a", b"<<", b"\0", b"? "])
        )
    file = Path(os.environ.get("TMPDIR", "/tmp")) / f"prophet-fuzz-{os.getpid()}.yaml"  # noqa: S108 - hypothesis has no folder for each case
    file.write_bytes(content)
    try:
        answered(lambda: (read_model if "models" in name else read_cluster if "cluster" in name else read_gpus)(file), file)
    finally:
        file.unlink()
