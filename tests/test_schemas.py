"""Schemas, dataclasses and registries say the same."""

from dataclasses import fields

import pytest
from conftest import MODELS
from jsonschema import Draft202012Validator

from prophet_memory.architecture import FEED_FORWARD_KINDS, Architecture, Layer, Stack
from prophet_memory.engine import Engine
from prophet_memory.memory import Assumptions
from prophet_memory.mixers import MIXER_KINDS
from prophet_memory.precision import PRECISIONS
from prophet_pipeline.configuration import schema
from prophet_pipeline.settings import read_settings
from prophet_pipeline.text import PRECISION_LABELS


@pytest.mark.parametrize("name", ["config", "gpus", "engines", "design_space", "model", "claims", "numbers", "cluster"])
def test_schemas_are_valid_and_closed(name):
    Draft202012Validator.check_schema(schema(name))

    def objects(node):
        if isinstance(node, dict):
            if "properties" in node and "if" not in node and node.get("type") == "object":
                yield node
            for value in node.values():
                yield from objects(value)
        elif isinstance(node, list):
            for value in node:
                yield from objects(value)

    for part in objects(schema(name)):
        closed = part.get("additionalProperties") is not None or "allOf" in part
        assert closed, part


@pytest.mark.parametrize(("kind", "block"), [*MIXER_KINDS.items(), *FEED_FORWARD_KINDS.items()])
def test_block_keys_are_dataclass_fields(kind, block):
    keys = set(schema("model")["$defs"][kind]["properties"]) - {"kind"}
    assert keys == {field.name for field in fields(block)}


def test_stack_and_layer_keys_are_dataclass_fields():
    stack = schema("model")["$defs"]["stack"]["properties"]
    assert set(stack) == {field.name for field in fields(Stack)}
    assert set(stack["layers"]["items"]["properties"]) == {field.name for field in fields(Layer)}
    assert {field.name for field in fields(Architecture)} <= set(schema("model")["properties"])


def test_kinds_and_enumerations_are_the_registries():
    model, sweep = schema("model")["properties"], schema("config")["properties"]["sweep"]["properties"]
    assert model["mixers"]["additionalProperties"]["properties"]["kind"]["enum"] == sorted(MIXER_KINDS)
    assert model["feed_forwards"]["additionalProperties"]["properties"]["kind"]["enum"] == list(FEED_FORWARD_KINDS)
    assert sweep["precisions"]["items"]["enum"] == list(PRECISIONS)
    assert list(PRECISION_LABELS) == list(PRECISIONS)
    assert set(schema("config")["properties"]["assumptions"]["properties"]) == {field.name for field in fields(Assumptions)}
    engine = set(schema("engines")["additionalProperties"]["properties"])
    assert engine == {field.name for field in fields(Engine)} - {"label"}  # the name in the file; the slug is the key


def test_the_paper_sweeps_the_whole_catalogue():
    assert sorted(read_settings()["sweep"]["models"]) == sorted(MODELS)
