"""The JSON Schemas that editors take: made of the classes that check config, valid, closed, and of the same mind."""

import copy
import json
import runpy

import pytest
import yaml
from conftest import MODELS, REPOSITORY
from jsonschema import Draft202012Validator

from prophet_memory.edge.settings import read_settings
from prophet_memory.edge.text import PRECISION_LABELS
from prophet_memory.formats import PRECISIONS

EXPORT = runpy.run_path(str(REPOSITORY / "scripts/export_schemas.py"), run_name="imported")
FILES = {name: [REPOSITORY / f"config/{name}.yaml"] for name in EXPORT["DOCUMENTS"]}
FILES["model"] = sorted((REPOSITORY / "config/models").glob("*.yaml"))
FILES["routing"] = [REPOSITORY / "config/routing/sources.yaml"]
FILES["observations"] = sorted((REPOSITORY / "config/observations").glob("*.yaml"))


def test_they_are_written_anew_with_what_they_are_made_of(tmp_path):
    EXPORT["main"](folder=tmp_path)
    for file in sorted(tmp_path.iterdir()):
        committed = REPOSITORY / "config/schemas" / file.name
        assert committed.read_bytes() == file.read_bytes(), "python3 scripts/export_schemas.py"


def test_every_precision_has_a_label_and_no_dense_model_is_swept():
    assert list(PRECISION_LABELS) == list(PRECISIONS)
    dense = {name for name, model in MODELS.items() if model.is_dense}
    assert set(read_settings().sweep.models) <= set(MODELS) - dense


@pytest.mark.parametrize("name", sorted(FILES))
def test_they_take_our_files_and_no_further_key(name):
    schema = EXPORT["schema"](name)
    Draft202012Validator.check_schema(schema)
    validator = Draft202012Validator(schema)
    for file in FILES[name]:
        document = yaml.safe_load(file.read_text(encoding="utf-8"))
        assert not list(validator.iter_errors(document)), file
        assert list(validator.iter_errors(document | {"no such key": 1})), file
        for key, value in document.items():
            if isinstance(value, dict) and name not in {"claims", "numbers"}:
                assert list(validator.iter_errors(copy.deepcopy(document) | {key: value | {"no such key": {}}})), (file, key)


def test_a_file_says_where_its_schema_is():
    for name, files in FILES.items():
        for file in files:
            first = file.read_text(encoding="utf-8").splitlines()[0]
            schema = file.parent / first.removeprefix("# yaml-language-server: $schema=")
            assert json.loads(schema.read_text(encoding="utf-8"))["$schema"].startswith("https://json-schema.org"), file
            assert schema.name == f"{name}.schema.json"
