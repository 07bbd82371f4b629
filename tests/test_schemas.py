"""Schemas, dataclasses and registries say the same."""

from dataclasses import fields

import pytest
from conftest import MODELS
from jsonschema import Draft202012Validator

from prophet_memory.architecture import FEED_FORWARD_KINDS, MIXER_KINDS, Architecture, Layer, Stack
from prophet_memory.precision import PRECISIONS
from prophet_memory.residency import POLICIES
from prophet_memory.routing import ROUTING_LAW_NAMES
from prophet_memory.sweep import Assumptions
from prophet_pipeline.configuration import read_settings, schema
from prophet_pipeline.text import PRECISION_LABELS


@pytest.mark.parametrize("name", ["config", "gpus", "model", "claims", "numbers", "cluster"])
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
    assert model["mixers"]["additionalProperties"]["properties"]["kind"]["enum"] == list(MIXER_KINDS)
    assert model["feed_forwards"]["additionalProperties"]["properties"]["kind"]["enum"] == list(FEED_FORWARD_KINDS)
    assert sweep["routings"]["items"]["enum"] == list(ROUTING_LAW_NAMES)
    assert sweep["precisions"]["items"]["enum"] == list(PRECISIONS)
    assert list(PRECISION_LABELS) == list(PRECISIONS)
    assert sweep["policies"]["items"]["enum"] == list(POLICIES)
    assert set(schema("config")["properties"]["assumptions"]["properties"]) == {field.name for field in fields(Assumptions)}


def test_the_paper_sweeps_the_whole_catalogue():
    assert sorted(read_settings()["sweep"]["models"]) == sorted(MODELS)
