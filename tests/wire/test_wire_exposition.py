"""Metrics pages: read as the endpoint prints them, written so that they are read back equal."""

from __future__ import annotations

import math
from contextlib import suppress
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tecton_nb.exceptions import ScrapeFormatError
from tecton_nb.wire.exposition import CONTENT_TYPE, Family, Sample, parse_exposition, render_text

# The metrics document's own example output.
DOCUMENT = """\
feature_service_requests_rate{aws_region="us-west-2",feature_service_id="072b546997cb6e586ed460ff0a3743ee",\
feature_service_name="fvfs_1"} 0.003703703703703704 1692222226141
feature_service_requests_rate{aws_region="us-west-2",feature_service_id="005c5a6f3517e1e2a4ce411372a15d84",\
feature_service_name="fvfs_2"} 0 1692222226141
feature_service_requests_rate{aws_region="us-west-2",feature_service_id="00c922b96f55a948e1bbfa08fdb3a699",\
feature_service_name="fvfs_3"} 0 1692222226141
"""
# Name, kind and labels of the metrics document's table.
TABLE = [
    ("feature_service_requests_total_rate", "gauge", ["aws_region"]),
    ("feature_service_requests_rate", "gauge", ["aws_region", "feature_service_id", "feature_service_name"]),
    ("feature_service_total_latency", "summary", []),
    ("feature_service_latency", "summary", ["feature_service_id", "feature_service_name"]),
    ("feature_server_errors_rate", "gauge", ["status"]),
    ("feature_server_utilization", "gauge", ["aws_region"]),
    ("spark_stream_max_processed_event_age", "gauge", ["workspace", "feature_view_name", "feature_view_id"]),
    ("spark_stream_average_processed_event_age", "gauge", ["workspace", "feature_view_name", "feature_view_id"]),
    ("spark_stream_input_rate", "gauge", ["workspace", "feature_view_name", "feature_view_id"]),
    ("spark_stream_processing_rate", "gauge", ["workspace", "feature_view_name", "feature_view_id"]),
    ("spark_stream_served_feature_age", "gauge", ["workspace", "feature_view_name", "feature_view_id"]),
    ("spark_stream_online_store_write_rate", "gauge", ["workspace", "feature_view_name", "feature_view_id"]),
    ("stream_ingestapi_request_rate", "gauge", ["aws_region"]),
    ("stream_ingestapi_request_processing_latency", "summary", ["aws_region"]),
    ("stream_ingestapi_request_processing_error_rate", "gauge", ["aws_region", "error_code"]),
    ("stream_ingestapi_online_store_write_rate", "gauge", ["workspace", "feature_view_name", "feature_view_id"]),
    ("stream_ingestapi_offline_store_write_rate", "gauge", ["workspace", "feature_view_name", "feature_view_id"]),
]
SUMMARY = """\
# HELP feature_service_latency [GA] latency by service
# TYPE feature_service_latency summary
feature_service_latency{feature_service_id="5f2a",feature_service_name="rider_eta_service",\
quantile="0.99"} 0.081 1714557600000
feature_service_latency_sum{feature_service_id="5f2a",feature_service_name="rider_eta_service"} 3.2 1714557600000
feature_service_latency_count{feature_service_id="5f2a",feature_service_name="rider_eta_service"} 120 1714557600000
"""
NOW = 1_692_222_226_141
LABEL_TEXT = st.text(st.characters(exclude_categories=["Cs"]), max_size=12)


def _family(name: str, kind: str, labels: list[str], at: int | None = NOW) -> Family:
    values = {label: f"{label} value" for label in labels}
    if kind != "summary":
        return Family(name, kind, f"[GA] {name}", (Sample(name, 0.5, values, at),))
    quantiles = tuple(Sample(name, q, {**values, "quantile": str(q)}, at) for q in (0.5, 0.9, 0.95, 0.99))
    totals = (Sample(f"{name}_sum", 3.25, values, at), Sample(f"{name}_count", 120.0, values, at))
    return Family(name, kind, f"[GA] {name}", (*quantiles, *totals))


@pytest.mark.parametrize(
    "page",
    [DOCUMENT, DOCUMENT.encode(), "\ufeff" + DOCUMENT, b"\xef\xbb\xbf" + DOCUMENT.encode()],
    ids=["text", "bytes", "bom-text", "bom-bytes"],
)
def test_document_example_is_read_with_exact_milliseconds(page: str | bytes) -> None:
    """The printed example has no HELP and no TYPE; values, labels and millisecond times are read exactly."""
    (family,) = parse_exposition(page)

    assert (family.name, family.kind, family.help) == ("feature_service_requests_rate", "unknown", "")
    assert [sample.value for sample in family.samples] == [1 / 270, 0.0, 0.0]
    assert [sample.timestamp_ms for sample in family.samples] == [1692222226141] * 3
    assert family.samples[0].labels == {
        "aws_region": "us-west-2",
        "feature_service_id": "072b546997cb6e586ed460ff0a3743ee",
        "feature_service_name": "fvfs_1",
    }


def test_summary_lines_belong_to_their_metric() -> None:
    """Quantiles, sum and count of a summary are the samples of one metric, with its help and stage."""
    (family,) = parse_exposition(SUMMARY)

    labels = {"feature_service_id": "5f2a", "feature_service_name": "rider_eta_service"}
    assert family == Family(
        "feature_service_latency",
        "summary",
        "[GA] latency by service",
        (
            Sample("feature_service_latency", 0.081, {**labels, "quantile": "0.99"}, 1714557600000),
            Sample("feature_service_latency_sum", 3.2, labels, 1714557600000),
            Sample("feature_service_latency_count", 120.0, labels, 1714557600000),
        ),
    )
    assert all(type(sample.value) is float for sample in family.samples)


@pytest.mark.parametrize("at", [NOW, None], ids=["stamped", "unstamped"])
def test_every_metric_of_the_document_is_written_and_read_back_equal(at: int | None) -> None:
    """A page of all seventeen metrics, gauges and summaries, is read back to the families it was written from."""
    families = tuple(_family(name, kind, labels, at) for name, kind, labels in TABLE)

    assert parse_exposition(render_text(families)) == families
    assert parse_exposition(render_text(families).encode(), CONTENT_TYPE) == families


def test_page_is_written_in_the_documented_form() -> None:
    """HELP, TYPE, then name, labels, value and milliseconds on one line, each ended by a line feed."""
    families = (
        Family("a_rate", "gauge", "[GA] two\nlines and a \\", (Sample("a_rate", 1 / 270, {"x": 'q"\\\n'}, NOW),)),
        Family("b", samples=(Sample("b", 3.0),)),
    )

    assert render_text(families) == (
        "# HELP a_rate [GA] two\\nlines and a \\\\\n"
        "# TYPE a_rate gauge\n"
        'a_rate{x="q\\"\\\\\\n"} 0.003703703703703704 1692222226141\n'
        "# TYPE b untyped\n"
        "b 3\n"
    )


@settings(max_examples=300, derandomize=True, deadline=None, database=None)
@given(
    st.dictionaries(st.from_regex(r"[a-z][a-z0-9_]{0,8}", fullmatch=True), LABEL_TEXT, max_size=3),
    st.floats(allow_nan=False),
    st.one_of(st.none(), st.integers(0, 253_402_300_799_999)),
)
def test_any_sample_is_written_and_read_back_equal(labels: dict[str, str], value: float, stamp: int | None) -> None:
    """Label values of any text, values to the last bit and times to the millisecond survive the page."""
    families = (Family("metric", "gauge", "", (Sample("metric", value, labels, stamp),)),)

    assert parse_exposition(render_text(families)) == families


def test_counter_and_histogram_are_written_and_read_back_equal() -> None:
    """Other kinds than Tecton's own keep their kind and samples too."""
    families = (
        Family("requests", "counter", "all of them", (Sample("requests_total", 5.0, {}, NOW),)),
        Family(
            "sizes",
            "histogram",
            "",
            (
                Sample("sizes_bucket", 1.0, {"le": "0.5"}),
                Sample("sizes_bucket", 2.0, {"le": "+Inf"}),
                Sample("sizes_sum", 1.5),
                Sample("sizes_count", 2.0),
            ),
        ),
    )

    assert parse_exposition(render_text(families)) == families


@pytest.mark.parametrize(
    ("text", "value"),
    [("+Inf", math.inf), ("Inf", math.inf), ("-Inf", -math.inf), ("1e300", 1e300), ("-0", -0.0), ("5e-324", 5e-324)],
)
def test_special_numbers_are_read(text: str, value: float) -> None:
    """Infinities and the smallest and largest numbers are what they say."""
    (family,) = parse_exposition(f"a {text}\n")

    assert family.samples[0].value == value


def test_nan_is_a_number_of_the_page() -> None:
    """A NaN sample is there and is NaN, on the way in and out."""
    (family,) = parse_exposition(render_text([Family("a", samples=(Sample("a", math.nan),))]))

    assert math.isnan(family.samples[0].value)


def test_numpy_values_are_written_as_plain_numbers() -> None:
    """A value from a numpy array is written as its number."""
    two: Any = np.float32(2)
    samples = (Sample("a", np.float64(0.5)), Sample("a", two, {"x": "y"}), Sample("a", 2**53))

    assert render_text([Family("a", "gauge", "", samples)]).splitlines()[1:] == [
        "a 0.5",
        'a{x="y"} 2',
        "a 9007199254740992.0",
    ]


OPENMETRICS = """\
# HELP a_seconds Age.
# TYPE a_seconds gauge
# UNIT a_seconds seconds
a_seconds{x="y"} 0.5 1692222226.141
# EOF
"""


@pytest.mark.parametrize(
    ("page", "content_type"),
    [
        (OPENMETRICS, None),
        (OPENMETRICS, "application/openmetrics-text; version=1.0.0; charset=utf-8"),
        (OPENMETRICS.replace("# UNIT a_seconds seconds", "# UNIT a_seconds second"), None),
        (OPENMETRICS.removesuffix("# EOF\n"), "application/openmetrics-text; version=1.0.0"),
        (OPENMETRICS.replace("1692222226.141", "1692222226141"), None),
        (
            OPENMETRICS.replace("1692222226.141", "1692222226141").removesuffix("# EOF\n"),
            "Application/OpenMetrics-Text",
        ),
        (OPENMETRICS.replace("1692222226.141", "1692222226141").removesuffix("# EOF\n"), "text/plain"),
    ],
    ids=["strict", "typed", "wrong-unit", "no-eof", "milliseconds", "milliseconds-no-eof", "prometheus"],
)
def test_openmetrics_times_are_seconds_unless_they_cannot_be(page: str, content_type: str | None) -> None:
    """A page that says it is OpenMetrics is read although it breaks the standard; huge times are milliseconds."""
    (family,) = parse_exposition(page, content_type)

    assert family == Family("a_seconds", "gauge", "Age.", (Sample("a_seconds", 0.5, {"x": "y"}, 1692222226141),))


@pytest.mark.parametrize("page", ["", "\n\n", "# EOF\n", "# only a comment\n", b""], ids=repr)
def test_empty_page_has_no_metrics(page: str | bytes) -> None:
    """A page without samples is no error: a fresh server has nothing to report."""
    assert parse_exposition(page) == ()


@pytest.mark.parametrize(
    "page",
    [
        "<!DOCTYPE html><html><title>Sign in</title></html>",
        "  \n<html>",
        '{"error":"x"}',
        "[1]",
        '"text"',
        "null",
        "404 page not found",
        "metric",
        "metric one",
        "metric 1 two",
        "metric 1 nan",
        "metric 1 inf",
        "metric 1 1e400",
        'metric{x="y" 1',
        "metric{ 1",
        'metric{x="y"} ',
        "# TYPE",
        "\x00",
        b"\xff\xfe",
        b"\x1f\x8b\x08\x00",
    ],
    ids=repr,
)
def test_page_that_is_none_is_refused_in_one_sentence(page: str | bytes) -> None:
    """HTML, JSON and broken lines are a typed error that shows what came."""
    with pytest.raises(ScrapeFormatError) as caught:
        parse_exposition(page)

    sentence = str(caught.value)
    assert sentence.startswith("The text is no metrics page")
    assert sentence.endswith(".")
    assert "\n" not in sentence
    assert "\x00" not in sentence


@settings(max_examples=500, derandomize=True, deadline=None, database=None)
@given(
    st.lists(
        st.sampled_from(
            [
                "a",
                "{",
                "}",
                '"',
                "=",
                ",",
                " ",
                "1",
                "#",
                "TYPE",
                "HELP",
                "EOF",
                "\n",
                "\\",
                "le",
                "gauge",
                "summary",
                "\ud7ff",
            ]
        ),
        max_size=14,
    ),
    st.sampled_from([None, "application/openmetrics-text"]),
)
def test_any_text_is_a_page_or_a_typed_error(parts: list[str], content_type: str | None) -> None:
    """Whatever stands on a page, reading it ends in families or in a ScrapeFormatError."""
    families: tuple[Family, ...] = ()

    with suppress(ScrapeFormatError):
        families = parse_exposition("".join(parts), content_type)

    assert all(isinstance(family, Family) for family in families)
