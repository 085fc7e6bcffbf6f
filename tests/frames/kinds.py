"""One example per data type, and how a test makes a column of it."""

from __future__ import annotations

import orjson
import pandas as pd
from canned import ARRAY, INT_ARRAY, INT_MAP, MAP, STRUCT, typed, vector

from tecton_nb.frames.assemble import FeatureColumns, schema_of
from tecton_nb.wire.responses import read_get_features

# Data type, raw value, dtype, value in the frame.
KINDS = {
    "int64": ("int64", "9007199254740993", "Int64", 9007199254740993),
    "float64": ("float64", 0, "Float64", 0.0),
    "float32": ("float32", 0.5, "Float32", 0.5),
    "boolean": ("boolean", True, "boolean", True),
    "string": ("string", "x", "string", "x"),
    "timestamp": (
        "timestamp",
        "2024-05-01T10:00:00.123456789Z",
        "datetime64[ns, UTC]",
        pd.Timestamp("2024-05-01T10:00:00.123456789Z"),
    ),
    "array": (ARRAY, [1, None, 2.5], "list<item: double>[pyarrow]", [1.0, None, 2.5]),
    "array of int64": (INT_ARRAY, ["9007199254740993"], "list<item: int64>[pyarrow]", [9007199254740993]),
    "array of arrays": (
        {"type": "array", "elementType": INT_ARRAY},
        [["1"], None, []],
        "list<item: list<item: int64>>[pyarrow]",
        [[1], None, []],
    ),
    "empty array": (ARRAY, [], "list<item: double>[pyarrow]", []),
    "struct": (STRUCT, ["7", 0.5], "struct<n: int64, x: double>[pyarrow]", {"n": 7, "x": 0.5}),
    "map": (MAP, {"a": 1, "b": None}, "map<string, double>[pyarrow]", [("a", 1.0), ("b", None)]),
    "int64 map": (INT_MAP, {"5": "6"}, "map<int64, int64>[pyarrow]", [(5, 6)]),
    "unknown type": ("decimal128", {"a": ["1"]}, "string", '{"a":["1"]}'),
    "missing_type": ("missing_type", 5, "string", "5"),
    "string_array": ("string_array", ["a", None], "list<item: string>[pyarrow]", ["a", None]),
    "array of an unknown type": (
        {"type": "array", "elementType": {"type": "blob"}},
        [{"a": 1}, None],
        "list<item: string>[pyarrow]",
        ['{"a":1}', None],
    ),
    "map of an unknown type": (
        {"type": "map", "keyType": {"type": "string"}, "valueType": {"type": "blob"}},
        {"k": [1]},
        "map<string, string>[pyarrow]",
        [("k", "[1]")],
    ),
}


def reply_of(values, *items, **metadata):
    """Return the reply that a get-features answer says."""
    return read_get_features(orjson.dumps(vector(values, *items, **metadata)))


def table_of(kind, raws):
    """A table of one feature and as many rows as there are values."""
    replies = [reply_of([raw], typed("v.f", kind)) for raw in raws]
    table = FeatureColumns(schema_of(reply_of([None], typed("v.f", kind))), len(raws))
    for i, reply in enumerate(replies):
        table.put(reply, [i])
    return table


def column_of_kind(kind, raws):
    """Return the column of one feature, one row per raw value."""
    return table_of(kind, raws).features(pd.RangeIndex(len(raws)))["v.f"]
