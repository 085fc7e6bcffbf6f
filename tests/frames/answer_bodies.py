"""Answers of feature servers for hypothesis: regular ones, oddly spelled ones, and damaged ones."""

from __future__ import annotations

import json
from typing import Any

from canned import ARRAY, INT_ARRAY, INT_MAP, MAP, STRUCT, typed
from hypothesis import strategies as st

DEEP = {
    "type": "struct",
    "fields": [
        typed("times", {"type": "array", "elementType": {"type": "timestamp"}}),
        typed("parts", {"type": "array", "elementType": STRUCT}),
        typed("counts", {"type": "map", "keyType": {"type": "int64"}, "valueType": INT_ARRAY}),
    ],
}
BYTES = {"type": "array", "elementType": {"type": "float32"}}
# One schema per list of kinds.
SCHEMAS: list[list[Any]] = [
    ["boolean", "int64", "float64", "string", "timestamp"],
    ["int64", "float32", ARRAY, STRUCT, MAP],
    [INT_ARRAY, INT_MAP, DEEP, BYTES],
    ["int64", {"type": "blob"}, "missing_type"],
    [],
]
# How an answer can be odd.
WAYS = ("values", "values", "statuses", "times", "items", "slo", "order", "rows", "message", "spaces")
_TEXTS = st.text(max_size=8) | st.sampled_from(["NaN", "null", "metadata", '"metadata":{"features":', "é\U0001f600"])
_INT64_TEXTS = st.integers(-(2**63), 2**63 - 1).map(str) | st.integers(-20, 20).map(str)
ODD_NUMBERS = [
    *("1e3", "null", "007", "+5", " 7", "7 ", "", "1_0", "0x1F", "-0", "9223372036854775808", "1,2", "1.0", "٣", "NaN"),
    *(7, -0.0, 7.0, 1e3, 2**53 + 1, 2**63, True, None, [], {}, [1], "[1]", "-", "9" * 5000),
]
TIMES = [
    *("2024-05-01T00:00:00Z", "2024-05-01T10:20:30.5Z", "1999-12-31T23:59:59.123456789Z", "2024-02-29T00:00:00.000Z"),
    *("2023-02-29T00:00:00Z", "1500-01-01T00:00:00Z", "2262-04-11T23:47:16.854775807Z", "2024-05-01T24:00:00Z"),
    *("1677-09-21T00:12:43.145224192Z", "2024-05-01T10:00:00+02:00", "2024-05-01", "soon", "2024-05-01 10:00:00Z", ""),
    *("2024-05-01T23:59:60Z", "2024-05-01t10:00:00z", "２024-05-01T10:00:00Z", "9999-12-31T23:59:59Z"),
]
_STATUSES = ["PRESENT", "MISSING_DATA", "UNKNOWN", "CACHED", "TIME_OUT", "", "", "BRAND NEW", None, 1, 9, ["PRESENT"]]
_SLO_INFOS: list[Any] = [
    {"sloEligible": True, "sloServerTimeSeconds": 0.25, "dynamodbResponseSizeBytes": 7, "serverTimeSeconds": 1},
    {"sloEligible": False, "sloIneligibilityReasons": ["A", "B"], "storeResponseSizeBytes": 0, "storeMaxLatency": 2.5},
    {"sloEligible": None, "sloIneligibilityReasons": [], "storeResponseSizeBytes": None, "storeTimeSeconds": 1},
    *({}, None, {"slo_eligible": True}, {"sloEligible": "yes"}, {"storeResponseSizeBytes": "12"}, [], [{}], 5),
    *({"serverTimeSeconds": True}, {"storeResponseSizeBytes": 2**63}, {"sloEligible": True, "more": [1]}),
]
_SHARDS = [
    *(
        b'"',
        b"\\",
        b"{",
        b"}",
        b"[",
        b"]",
        b",",
        b":",
        b" ",
        b"\n",
        b"\t",
        b"\x00",
        b"\xff",
        b"\xed\xa0\x80",
        b"\xef\xbb\xbf",
    ),
    *(b"null", b"true", b"NaN", b"Infinity", b'"NaN"', b"-0", b"1e999", b"01", b"1.", b"0.1e5", b"\\ud800", b"\\u0041"),
    *(b'"features":[1e999],', b'"metadata":{"features":[]},', b'"metadata":null', b'"error":"x"', b'"result":{}'),
    *(b'"joinKeys":[]', b'"status":"PRESENT",', b'"data_type":{"type":"int64"},', b'"dataType":null', b"2" * 400),
]


def raw_values(kind: Any, *, odd: bool) -> st.SearchStrategy[Any]:
    """Values of a data type as servers write them, or also as none should."""
    regular = st.none() | _regular(kind, odd=odd)
    if not odd:
        return regular
    return st.one_of(regular, st.sampled_from([*ODD_NUMBERS, *TIMES]), _spelled_otherwise(kind))


def _regular(kind: Any, *, odd: bool) -> st.SearchStrategy[Any]:
    name = kind if isinstance(kind, str) else kind["type"]
    if name == "array":
        return st.lists(raw_values(_inner(kind["elementType"]), odd=odd), max_size=4)
    if name == "struct":
        return st.tuples(*[raw_values(_inner(field["dataType"]), odd=odd) for field in kind["fields"]]).map(list)
    if name == "map":
        keys = _INT64_TEXTS if kind["keyType"]["type"] == "int64" else _TEXTS
        keys = keys | st.sampled_from(["-0", "0", "x"]) if odd else keys
        return st.dictionaries(keys, raw_values(_inner(kind["valueType"]), odd=odd), max_size=3)
    floats = st.floats(allow_nan=False, allow_infinity=False, width=32 if name == "float32" else 64)
    words = st.sampled_from(["NaN", "Infinity", "-Infinity"])
    scalars = {
        "boolean": st.booleans(),
        "string": _TEXTS,
        "int64": _INT64_TEXTS,
        "float64": floats | st.integers(-(2**53), 2**53) | words,
        "float32": floats | st.integers(-(2**24), 2**24) | words,
        "timestamp": st.sampled_from(TIMES if odd else TIMES[:4]),
    }
    return scalars.get(name, st.recursive(st.none() | st.integers() | st.text(max_size=3), st.lists, max_leaves=4))


def _inner(data_type: Any) -> Any:
    return data_type["type"] if set(data_type) == {"type"} else data_type


def _spelled_otherwise(kind: Any) -> st.SearchStrategy[Any]:
    if isinstance(kind, dict) and kind["type"] == "struct":
        return st.fixed_dictionaries({f["name"]: raw_values(_inner(f["dataType"]), odd=True) for f in kind["fields"]})
    return st.integers(-(2**70), 2**70)


@st.composite
def answers(draw: st.DrawFn, kinds: list[Any], *, odd: bool, is_batch: bool) -> bytes:
    """An answer for the schema of these kinds, ``f0``, ``f1``, ...; an odd one is odd in one way or in several."""
    ways = draw(st.sets(st.sampled_from(WAYS), min_size=1, max_size=2)) if odd else set()
    rows = draw(st.integers(0 if "rows" in ways else 1, 3)) if is_batch else 1
    vectors = [_vector(draw, kinds, "values" in ways) for _ in range(rows)]
    items = [_item(draw, i, kind, rows if is_batch else None, ways) for i, kind in enumerate(kinds)]
    if "order" in ways:
        items = draw(st.permutations(items))
    metadata: dict[str, Any] = {"features": items}
    infos = st.sampled_from(_SLO_INFOS if "slo" in ways else _SLO_INFOS[:3])
    if "slo" in ways or draw(st.booleans()):
        metadata["sloInfo"] = draw(st.lists(infos, min_size=rows, max_size=rows) if is_batch else infos)
    if is_batch and draw(st.booleans()):
        metadata["batchSloInfo"] = draw(infos)
    results = [{"features": vector} for vector in vectors]
    message: dict[str, Any] = {"result": results if is_batch else results[0], "metadata": metadata}
    if "message" in ways:
        _disturb(draw, message)
    separators = (", ", " : ") if "spaces" in ways else (",", ":")
    return json.dumps(message, separators=separators, ensure_ascii=draw(st.booleans())).encode("utf-8", "replace")


def _vector(draw: st.DrawFn, kinds: list[Any], odd: bool) -> list[Any]:
    # One odd value at a time: two of them hide each other.
    strange = draw(st.integers(0, len(kinds) - 1)) if odd and kinds else None
    return [draw(raw_values(kind, odd=i == strange)) for i, kind in enumerate(kinds)]


def _item(draw: st.DrawFn, i: int, kind: Any, rows: int | None, ways: set[str]) -> dict[str, Any]:
    item: dict[str, Any] = {"name": f"f{i}", "dataType": {"type": kind} if isinstance(kind, str) else kind}
    statuses = st.sampled_from(_STATUSES[:5] if "statuses" not in ways else [*_STATUSES[:5] * 2, *_STATUSES])
    if draw(st.booleans()):
        item["status"] = draw(statuses) if rows is None else draw(st.lists(statuses, min_size=rows, max_size=rows))
    if draw(st.booleans()):
        item["effectiveTime"] = draw(st.sampled_from([*TIMES, 7, "x" * 300] if "times" in ways else TIMES[:4]))
    if draw(st.integers(0, 5)) == 0:
        item |= {"type": "int64", "description": "what it is", "tags": {"owner": "me"}}
    if "items" in ways and draw(st.booleans()):
        things = {
            "dataType": {"type": "int64"},
            "name": "g",
            "tags": {"n": 1},
            "description": 5,
            "effective_time": "x",
            "status": {"a": 1},
            "more": "x",
        }
        name = draw(st.sampled_from([*things]))
        item[name] = things[name]
    return item


def _disturb(draw: st.DrawFn, message: dict[str, Any]) -> None:
    metadata = message["metadata"]
    which = draw(st.integers(0, 6))
    if which == 0:
        metadata.pop("features")
    elif which == 1:
        metadata["partialResults"] = draw(st.sampled_from([True, None, 1]))
    elif which == 2:
        message["more"] = 1
    elif which == 3:
        message["metadata"] = dict(reversed(metadata.items()))
    elif which == 4:
        message["metadata"] = None
    elif which == 5:
        message["error"] = "no"
    else:
        metadata["slo_info"] = {"serverTimeSeconds": 5}


@st.composite
def damaged(draw: st.DrawFn, bodies: st.SearchStrategy[bytes]) -> bytes:
    """A body with a few bytes changed, taken out, put in or said twice."""
    body = draw(bodies)
    for _ in range(draw(st.integers(1, 2))):
        start = draw(st.integers(0, len(body)))
        end = min(len(body), start + draw(st.sampled_from([0, 0, 1, 1, 5, 40])))
        middle = draw(st.sampled_from([b"", *_SHARDS, body[start:end] * 2]) | st.binary(max_size=2))
        body = body[:start] + middle + body[end:]
    return body
