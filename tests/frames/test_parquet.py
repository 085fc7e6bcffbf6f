"""Typed frames survive parquet: values, dtypes, index, NaN apart from missing."""

from __future__ import annotations

import math

import pandas as pd
import pytest
from kinds import KINDS, column_of_kind

import tecton_nb as tnb

INDEXES = {
    "range": pd.RangeIndex(3),
    "string": pd.Index(["x", "y", "z"], name="flight"),
    "duplicates": pd.Index([5, 5, 6]),
    "multi": pd.MultiIndex.from_tuples([("a", 1), ("a", 2), ("b", 1)], names=["u", "v"]),
    "time": pd.DatetimeIndex(["2024-05-01", "2024-05-03", "2024-05-02"], tz="UTC", name="at"),
}


@pytest.fixture(scope="module")
def frame():
    """One column per data type, each with a null in the middle."""
    return pd.DataFrame({name: column_of_kind(kind, [raw, None, raw]) for name, (kind, raw, _, _) in KINDS.items()})


@pytest.mark.parametrize("index", INDEXES.values(), ids=INDEXES.keys())
def test_frame_comes_back_equal(frame, index, tmp_path):
    """Every dtype and every index comes back as it was written."""
    written = frame.set_axis(index)

    path = tnb.write_parquet(written, tmp_path / "features.parquet")

    pd.testing.assert_frame_equal(tnb.read_parquet(path), written)


@pytest.mark.parametrize("kind", ["float64", "float32"])
def test_nan_and_missing_come_back_apart(kind, tmp_path):
    """NaN is NaN and missing is missing after a round trip."""
    column = column_of_kind(kind, ["NaN", None, 1])

    back = tnb.read_parquet(tnb.write_parquet(column.to_frame(), tmp_path / "f.parquet"))["v.f"]

    assert back.isna().tolist() == [False, True, False]
    assert math.isnan(back[0])
    assert back.dtype == column.dtype


def test_plain_pandas_reads_the_file(frame, tmp_path):
    """Whoever has pandas only can read the file, nested columns included."""
    path = tnb.write_parquet(frame, tmp_path / "features.parquet")

    plain = pd.read_parquet(path)

    assert list(plain.columns) == list(frame.columns)
    assert plain["int64"][0] == 9007199254740993
    assert list(plain["array"][0])[:1] == [1.0]
    assert plain.isna().iloc[1].all()


def test_empty_frame_comes_back_equal(frame, tmp_path):
    """A frame without rows keeps its dtypes."""
    path = tnb.write_parquet(frame.iloc[:0], tmp_path / "features.parquet")

    pd.testing.assert_frame_equal(tnb.read_parquet(path), frame.iloc[:0])


def test_batch_with_everything_comes_back_equal(client, tmp_path):
    """The widest frame of a batch, real features with statuses, times and SLO columns, survives."""
    service = client.feature_service("flight_delay_service")
    wide = service.get_features_batch(service.example_rows(5)).to_pandas(["statuses", "effective_times", "slo_info"])

    path = tnb.write_parquet(wide, tmp_path / "wide.parquet")

    pd.testing.assert_frame_equal(tnb.read_parquet(path), wide)


def test_frames_carry_no_attrs(client, tmp_path):
    """Nothing is hidden in attrs, which would land in the file."""
    service = client.feature_service("fraud_detection_feature_service")

    frame = service.get_features(service.example_rows(2))

    assert frame.attrs == {}
