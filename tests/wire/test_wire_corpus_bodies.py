"""The bodies of the recorded garbage corpus, read as a client reads an answer."""

from __future__ import annotations

import base64
import json
from pathlib import Path
from typing import Any

import pytest

from tecton_nb.exceptions import DecodeError
from tecton_nb.wire.responses import read_get_features
from tecton_nb.wire.types import UnknownType
from tecton_nb.wire.values import decode_value

CORPUS = Path(__file__).parents[1] / "corpora" / "responses.jsonl"
GROUPS = ("garbage", "shape", "schema")
CASES = [case for case in map(json.loads, CORPUS.read_text(encoding="utf-8").splitlines()) if case["group"] in GROUPS]
RIGHT_VALUES: dict[str, list[object]] = {
    "int64-max": [2**63 - 1, 0.5, "x"],
    "int64-2to53plus1": [2**53 + 1, 0.5, "x"],
    "string-NaN-text": [7, 0.5, "NaN"],
    "string-200KB": [7, 0.5, "A" * 200_000],
    # Of two members with one name the last one counts, for values and names alike.
    "json-dup-key": [666, 1.0, "y"],
}


def _body(case: dict[str, Any]) -> bytes:
    sent = b"".join(base64.b64decode(step["send_b64"]) for step in case["steps"] if "send_b64" in step)
    return sent.partition(b"\r\n\r\n")[2]


def _values(body: bytes) -> list[object]:
    reply = read_get_features(body)
    return [
        decode_value(raw, item.data_type or UnknownType(""), where=f"result.features[{i}]", name=item.name)
        for i, (raw, item) in enumerate(zip(reply.rows[0], reply.features, strict=True))
    ]


def _cases(*outcomes: str) -> list[Any]:
    return [pytest.param(case, id=case["id"]) for case in CASES if case["outcome"] in outcomes]


@pytest.mark.parametrize("case", _cases("value", "either"))
def test_readable_body_gives_the_right_values(case: dict[str, Any]) -> None:
    """A body that means something is read to exactly what it means, whatever is odd about it."""
    values = _values(_body(case))

    expected = RIGHT_VALUES.get(case["id"], [7, 0.5, "x"])
    assert values == expected
    assert [type(value) for value in values] == [int, float, str]


@pytest.mark.parametrize("case", _cases("error:bad_payload", "error:schema", "error:value"))
def test_unreadable_body_is_one_typed_error(case: dict[str, Any]) -> None:
    """A body that means nothing is a DecodeError in one short sentence, never an error of Python's own."""
    with pytest.raises(DecodeError) as caught:
        _values(_body(case))

    sentence = str(caught.value)
    assert type(caught.value) is DecodeError
    assert sentence.endswith(".")
    assert "\n" not in sentence
    assert len(sentence) < 500


def test_every_case_of_the_corpus_is_judged() -> None:
    """No case of the three groups has an outcome that the tests above leave out."""
    outcomes = {case["outcome"] for case in CASES}

    assert outcomes == {"value", "either", "error:bad_payload", "error:schema", "error:value"}
    assert len(CASES) == 26
