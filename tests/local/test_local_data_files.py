"""Data files: CSV and parquet columns as the types of a view say, mistakes with their place."""

import gzip
import math

import pandas as pd
import pyarrow as pa
import pyarrow.parquet as parquet
import pytest

from tecton_nb.exceptions import SettingsError
from tecton_nb.local.definitions.data_files import read_data
from tecton_nb.local.storage.contents import frame_digest
from tecton_nb.wire.types import BOOLEAN, FLOAT32, FLOAT64, INT64, STRING, TIMESTAMP, ArrayType, MapType

TYPES = {
    "name": STRING,
    "count": INT64,
    "share": FLOAT64,
    "score": FLOAT32,
    "is_new": BOOLEAN,
    "seen_at": TIMESTAMP,
    "by_zone": MapType(STRING, INT64),
    "last": ArrayType(FLOAT64),
}
CSV = (
    "last,name,count,share,score,is_new,seen_at,by_zone,more\n"
    '"[1.5,null]",a,-9223372036854775808,NaN,inf,TRUE,2024-05-01T10:00:00.123456789Z,"{""1"": 2}",x\n'
    ",,,,,,,,\n"
)


def plain(frame: pd.DataFrame) -> list[list[object]]:
    """The rows with `None` for what is missing and text for what is NaN."""
    rows = []
    for position in range(len(frame)):
        cells = [frame[name].array[position] for name in TYPES]
        rows.append([_plain(cell) for cell in cells])
    return rows


def _plain(cell: object) -> object:
    if isinstance(cell, float) and math.isnan(cell):
        return "NaN"
    return None if not isinstance(cell, list | dict) and pd.isna(cell) else cell


FIRST = [
    "a",
    -(2**63),
    "NaN",
    math.inf,
    True,
    pd.Timestamp("2024-05-01T10:00:00.123456789Z"),
    {"1": 2},
    [1.5, None],
]


def test_csv_columns_have_the_types_of_the_view(tmp_path):
    """Every type is read from text exactly; an empty cell is missing, NaN a number, other columns are left alone."""
    path = tmp_path / "data.csv.gz"
    path.write_bytes(gzip.compress(CSV.encode()))

    frame = read_data(path, TYPES)

    assert list(frame.columns) == list(TYPES)
    assert plain(frame) == [FIRST, [None] * 8]


def test_parquet_columns_have_the_types_of_the_view(tmp_path):
    """What a parquet file holds comes out as it is, naive times as UTC."""
    time = pd.Timestamp("2024-05-01T10:00:00.123456789")
    table = pa.table(
        {
            "name": ["a", None],
            "count": pa.array([-(2**63), None], pa.int64()),
            "share": [math.nan, None],
            "score": pa.array([math.inf, None], pa.float32()),
            "is_new": [True, None],
            "seen_at": pa.array([time.value, None]).cast(pa.timestamp("ns")),
            "by_zone": pa.array([[("1", 2)], None], pa.map_(pa.string(), pa.int64())),
            "last": [[1.5, None], None],
        }
    )
    parquet.write_table(table, tmp_path / "data.parquet")

    found = plain(read_data(tmp_path / "data.parquet", TYPES))

    assert found == [[*FIRST[:6], [("1", 2)], FIRST[7]], [None] * 8]


@pytest.mark.parametrize(
    ("name", "content", "sentence"),
    [
        ("data.parquet", b"no parquet", "Parquet"),
        ("data.csv", b"", "No columns to parse from file."),
        ("data.csv", b"a,b\n1,2\n1,2,3\n", "Expected 2 fields in line 3, saw 3"),
        ("data.csv", b"name\n\xff\n", "'utf-8' codec can't decode byte 0xff"),
        ("data.csv.gz", b"no gzip", "Not a gzipped file"),
        ("data.xlsx", b"", "the name must end in one of '.csv', '.csv.gz', '.parquet'."),
    ],
)
def test_file_that_cannot_be_read_is_told(tmp_path, name, content, sentence):
    """A damaged or unknown file is told in one sentence that names it."""
    path = tmp_path / name
    path.write_bytes(content)

    with pytest.raises(SettingsError) as caught:
        read_data(path, {"name": STRING})

    assert str(caught.value).startswith(f"Cannot read '{path}': ")
    assert sentence in str(caught.value)
    assert str(caught.value).endswith(".")


@pytest.mark.parametrize(
    ("kind", "text"),
    [
        (INT64, "1.0"),
        (INT64, "1_000"),
        (INT64, "٣"),
        (INT64, "9223372036854775808"),
        (FLOAT64, "1_0"),
        (FLOAT64, "1,5"),
        (BOOLEAN, "yes"),
        (TIMESTAMP, "yesterday"),
        (ArrayType(INT64), "[1"),
    ],
)
def test_cell_of_another_type_is_told_with_column_and_row(tmp_path, kind, text):
    """A cell that is no value of its type is quoted with its column and row."""
    path = tmp_path / "data.csv"
    quoted_cell = '"' + text + '"'
    path.write_text(f"a,b\n,x\n{quoted_cell},y\n", encoding="utf-8")

    with pytest.raises(SettingsError) as caught:
        read_data(path, {"a": kind})

    assert str(caught.value) == f"Cannot read '{text}' as {kind} in '{path}', column 'a', row 2."


def test_digest_of_a_frame_follows_its_content():
    """Frames have one digest exactly when names, values and order are the same."""
    frame = pd.DataFrame({"a": [1.5, 2.0], "b": ["x", None], "c": [[1], {"k": 2}]})
    others = [
        frame.iloc[::-1],
        frame.rename(columns={"a": "z"}),
        frame.assign(a=[1.5, 2.5]),
        frame.assign(b=["x", "None"]),
        frame.assign(c=[[1], {"k": 3}]),
        frame.head(1),
    ]

    assert frame_digest(frame) == frame_digest(frame.copy().set_index(pd.Index([7, 8])))
    assert len({frame_digest(frame), *map(frame_digest, others)}) == 1 + len(others)
