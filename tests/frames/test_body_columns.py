"""An answer's bytes become columns quickly, and exactly as reading every value one by one would have it."""

from __future__ import annotations

import base64
import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
from answer_bodies import ODD_NUMBERS, SCHEMAS, TIMES, answers, damaged
from canned import typed, vector
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from tecton_nb.exceptions import DecodeError
from tecton_nb.frames.assemble import FeatureColumns, Schema
from tecton_nb.wire.quick import QuickReader
from tecton_nb.wire.responses import NameAndType, read_get_features, read_get_features_batch
from tecton_nb.wire.types import parse_data_type

CORPUS = Path(__file__).parents[1] / "corpora" / "responses.jsonl"
IRREGULAR_SCHEMA = 3
Outcome = tuple[dict[int, tuple[str, str]], list[pd.DataFrame]]


def thorough(examples: int) -> Any:
    """So many examples, always the same ones."""
    checks = list(HealthCheck)
    return settings(max_examples=examples, derandomize=True, deadline=None, suppress_health_check=checks, database=None)


def schema_of_kinds(kinds: Sequence[Any]) -> Schema:
    """The schema of features ``f0``, ``f1``, ... of these kinds."""
    raw = [{"type": kind} if isinstance(kind, str) else kind for kind in kinds]
    return tuple(NameAndType(f"f{i}", parse_data_type(item, where="")) for i, item in enumerate(raw))


def taken(schema: Schema, bodies: Sequence[bytes], *, quickly: bool, rows: int | None = None) -> Outcome:
    """What a table says after it was given the bodies: errors by position, and the four frames.

    With `rows` they are batch answers of so many rows each.
    """
    size = rows or 1
    table = FeatureColumns(schema, size * len(bodies))
    errors: dict[int, DecodeError] = {}
    for i, body in enumerate(bodies):
        positions = range(i * size, (i + 1) * size)
        try:
            if quickly:
                table.put_body(body, positions, is_batch=rows is not None)
            elif rows is None:
                table.put(read_get_features(body), positions)
            else:
                table.put(read_get_features_batch(body), positions)
        except DecodeError as error:
            errors |= dict.fromkeys(positions, error)
    errors |= table.settle()
    told = {position: (str(error), error.where) for position, error in sorted(errors.items())}
    index = pd.RangeIndex(size * len(bodies))
    shown = np.array([-1 if position in errors else position for position in index], dtype=np.int64)
    frames = (table.features, table.statuses, table.effective_times, table.slo_info)
    return told, [frame(index, shown) for frame in frames]


def assert_same(quick: Outcome, exact: Outcome) -> None:
    """The same errors at the same rows, and the same cells."""
    assert quick[0] == exact[0]
    for ours, theirs in zip(quick[1], exact[1], strict=True):
        pd.testing.assert_frame_equal(ours, theirs, check_exact=True)


def bodies_of(kinds: Sequence[Any], *, odd: bool, is_batch: bool = False) -> st.SearchStrategy[bytes]:
    """Answers for the schema of these kinds."""
    return answers(list(kinds), odd=odd, is_batch=is_batch)


@pytest.mark.parametrize("kinds", SCHEMAS)
@thorough(20)
@given(data=st.data())
def test_regular_answers_are_read_quickly_and_exactly(kinds, data):
    """What servers write takes the quick way, and every cell of the four frames is that of the exact one."""
    schema = schema_of_kinds(kinds)
    bodies = data.draw(st.lists(bodies_of(kinds, odd=False), min_size=1, max_size=4))

    quick, exact = taken(schema, bodies, quickly=True), taken(schema, bodies, quickly=False)

    assert_same(quick, exact)
    if kinds != SCHEMAS[IRREGULAR_SCHEMA]:
        reader = QuickReader(schema)
        assert all(reader.read(body) is not None for body in bodies)


@pytest.mark.parametrize("kinds", SCHEMAS)
@thorough(80)
@given(data=st.data())
def test_odd_answers_mean_the_same_either_way(kinds, data):
    """Other spellings, wrong values, unknown members and changed schemas give the same cells or the same error."""
    schema = schema_of_kinds(kinds)
    bodies = data.draw(st.lists(bodies_of(kinds, odd=True), min_size=1, max_size=4))

    quick, exact = taken(schema, bodies, quickly=True), taken(schema, bodies, quickly=False)

    assert_same(quick, exact)


@pytest.mark.parametrize("kinds", SCHEMAS)
@thorough(60)
@given(data=st.data())
def test_damaged_answers_are_taken_or_refused_alike(kinds, data):
    """Whatever happens to the bytes, the quick way takes nothing that the exact way refuses, and no other value."""
    schema = schema_of_kinds(kinds)
    sound = bodies_of(kinds, odd=False)
    bodies = data.draw(st.lists(sound | damaged(sound), min_size=1, max_size=4))

    quick, exact = taken(schema, bodies, quickly=True), taken(schema, bodies, quickly=False)

    assert_same(quick, exact)


@pytest.mark.parametrize("kinds", SCHEMAS)
@thorough(60)
@given(data=st.data())
def test_batch_answers_mean_the_same_either_way(kinds, data):
    """Batch answers, regular, odd and damaged, of as many rows as asked for or not, are taken or refused alike."""
    schema, rows = schema_of_kinds(kinds), data.draw(st.integers(1, 3))
    sound, strange = (bodies_of(kinds, odd=odd, is_batch=True) for odd in (False, True))
    bodies = data.draw(st.lists(sound | strange | damaged(sound), min_size=1, max_size=2))

    quick, exact = (taken(schema, bodies, quickly=quickly, rows=rows) for quickly in (True, False))

    # Of a batch with wrong values the exact way refuses every row, the quick way only the wrong ones.
    late = {position for position in exact[0] if position not in quick[0]}
    assert all(exact[0][position] in quick[0].values() for position in late)
    if not late:
        assert_same(quick, exact)


@pytest.mark.parametrize("wrap", ["{}", "[{}]", "[null,{}]", '{{"k":{}}}'], ids=["alone", "array", "struct", "map"])
@pytest.mark.parametrize("scalar", ["int64", "float64", "float32", "boolean", "string", "timestamp"])
def test_every_odd_value_means_the_same_either_way(scalar, wrap):
    """Each odd spelling of a number or a time, alone or inside a value, is read or refused as the codec does it."""
    kind: Any = {
        "{}": scalar,
        "[{}]": {"type": "array", "elementType": {"type": scalar}},
        "[null,{}]": {"type": "struct", "fields": [typed("a", "string"), typed("b", scalar)]},
    }.get(wrap, {"type": "map", "keyType": {"type": "string"}, "valueType": {"type": scalar}})
    values = [json.loads(wrap.format(json.dumps(value))) for value in (*ODD_NUMBERS, *TIMES, "Infinity", "-Infinity")]
    bodies = [json.dumps(vector([value], typed("f0", kind)), separators=(",", ":")).encode() for value in values]

    schema = schema_of_kinds([kind])
    quick, exact = taken(schema, bodies, quickly=True), taken(schema, bodies, quickly=False)

    assert_same(quick, exact)
    for body in bodies:
        assert_same(taken(schema, [body], quickly=True), taken(schema, [body], quickly=False))


@pytest.mark.parametrize("keys", [("0", "-0"), ("-0",), ("0", "00"), ("5", " 6"), ("9223372036854775808",)])
def test_odd_keys_of_a_map_mean_the_same_either_way(keys):
    """Two texts for one int64 key, and texts that are none, are refused as the codec does it."""
    kind = {"type": "map", "keyType": {"type": "int64"}, "valueType": {"type": "string"}}
    body = json.dumps(vector([dict.fromkeys(keys, "x")], typed("f0", kind)), separators=(",", ":")).encode()

    quick, exact = (taken(schema_of_kinds([kind]), [body], quickly=quickly) for quickly in (True, False))

    assert_same(quick, exact)


def _corpus() -> list[Any]:
    cases = map(json.loads, CORPUS.read_text(encoding="utf-8").splitlines())
    return [pytest.param(case, id=case["id"]) for case in cases if case.get("steps")]


@pytest.mark.parametrize("case", _corpus())
@pytest.mark.parametrize("rows", [None, 1])
def test_recorded_bodies_mean_the_same_either_way(case, rows):
    """Every body of the recorded corpus is taken or refused quickly as it is exactly."""
    schema = schema_of_corpus()
    body = b"".join(base64.b64decode(step["send_b64"]) for step in case["steps"] if "send_b64" in step)
    body = body.partition(b"\r\n\r\n")[2]

    quick, exact = (taken(schema, [body], quickly=quickly, rows=rows) for quickly in (True, False))

    assert_same(quick, exact)


def schema_of_corpus() -> Schema:
    """Names and types of the corpus' sound answers."""
    sound = next(
        case for case in map(json.loads, CORPUS.read_text(encoding="utf-8").splitlines()) if case["id"] == "int64-max"
    )
    body = b"".join(base64.b64decode(step["send_b64"]) for step in sound["steps"] if "send_b64" in step)
    items = read_get_features(body.partition(b"\r\n\r\n")[2]).features
    return tuple(NameAndType(str(item.name), item.data_type) for item in items if item.data_type is not None)
