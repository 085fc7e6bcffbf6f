"""Metrics pages: read as the endpoint prints them, written so that they are read back equal."""

from __future__ import annotations

import math
from contextlib import suppress
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from prometheus_client.parser import text_string_to_metric_families

from tecton_nb.exceptions import ScrapeFormatError
from tecton_nb.wire.exposition import CONTENT_TYPE, Family, Sample, parse_exposition, render_text
from tecton_nb.wire.metrics_text import SeriesMemory, read_text

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
    st.one_of(st.none(), st.integers(10**11, 253_402_300_799_999)),
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


STRICT = "application/openmetrics-text; version=1.0.0; charset=utf-8"
IN_MILLISECONDS = OPENMETRICS.replace("1692222226.141", "1692222226141")


@pytest.mark.parametrize(
    ("page", "content_type"),
    [
        (OPENMETRICS, None),
        (OPENMETRICS, STRICT),
        (OPENMETRICS, ""),
        (OPENMETRICS, "application/octet-stream"),
        (IN_MILLISECONDS, None),
        (IN_MILLISECONDS, "Application/OpenMetrics-Text"),
        (OPENMETRICS, "text/plain; version=0.0.4"),
        (IN_MILLISECONDS.removesuffix("# EOF\n"), "text/plain"),
        (OPENMETRICS.removesuffix("# EOF\n"), None),
        (OPENMETRICS.replace("1692222226.141", "1692222226").removesuffix("# EOF\n"), None),
    ],
)
def test_seconds_and_milliseconds_are_told_apart(page: str, content_type: str | None) -> None:
    """In either format a time is read in the unit it can only be in, whatever the Content-Type says."""
    (family,) = parse_exposition(page, content_type)
    stamp = 1692222226000 if "1692222226\n" in page else 1692222226141

    assert (family.name, family.kind, family.help) == ("a_seconds", "gauge", "Age.")
    assert family.samples == (Sample("a_seconds", 0.5, {"x": "y"}, stamp),)


@pytest.mark.parametrize(("text", "stamp"), [("1000", 1000), ("0", 0), ("-1", -1), ("99999", 99999)])
def test_times_near_the_epoch_are_milliseconds_in_prometheus_text(text: str, stamp: int) -> None:
    """Only what would be a moment of our days in seconds is taken for seconds."""
    (family,) = parse_exposition(f"a 1 {text}\n")

    assert family.samples[0].timestamp_ms == stamp


def test_page_that_only_ends_like_openmetrics_is_read_as_text() -> None:
    """Where no Content-Type claims OpenMetrics a page that breaks its rules is read by those of Prometheus."""
    (family,) = parse_exposition(OPENMETRICS.replace("UNIT a_seconds seconds", "UNIT a_seconds second"))

    assert family.samples == (Sample("a_seconds", 0.5, {"x": "y"}, 1692222226141),)


@pytest.mark.parametrize("page", ["# EOF\n", b"# EOF"], ids=repr)
def test_page_that_says_where_it_ends_may_be_empty(page: str | bytes) -> None:
    """OpenMetrics without samples is no error: a fresh server has nothing to report, and says so."""
    assert parse_exposition(page) == ()


def test_page_may_declare_metrics_without_samples() -> None:
    """A metric that nothing was measured of yet is a metric."""
    (family,) = parse_exposition("# TYPE a gauge\n")

    assert (family.name, family.samples) == ("a", ())


@pytest.mark.parametrize("content_type", [None, "text/plain; version=0.0.4"])
@pytest.mark.parametrize("page", ["", "\n\n", " \n", "# only a comment\n", b"", b"\xef\xbb\xbf"], ids=repr)
def test_text_with_nothing_on_it_is_no_page(page: str | bytes, content_type: str | None) -> None:
    """An empty body, as a proxy or a server that is starting sends it, is no good scrape."""
    with pytest.raises(ScrapeFormatError, match=r"no sample, HELP or TYPE on it\. Check the address\.") as caught:
        parse_exposition(page, content_type)

    assert caught.value.where == "line 1"


@pytest.mark.parametrize("content_type", ["text/html; charset=utf-8", "application/json", "image/png"])
def test_empty_answer_that_claims_to_be_something_else_is_refused(content_type: str) -> None:
    """An empty body of a login page or an API is no empty metrics page."""
    with pytest.raises(ScrapeFormatError, match="Content-Type is"):
        parse_exposition("", content_type)


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
        "metric 1e400",
        "metric 1_000",
        "metric 1 1_692_222_226_141",
        "metric 1 2 3",
        'metric{x="y"} 1 } 1',
        'metric{x="y"} 5 } 1',
        'metric{x="y",x="z"} 1',
        "metric 1 # " + "x" * 20_000,
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
    assert caught.value.where.startswith("line ")
    assert caught.value.where in sentence
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


@pytest.mark.parametrize(
    ("page", "line"),
    [
        ("a 1\n\n# HELP a b\nb one\nc 2\n", 4),
        ("# TYPE a gauge\n# TYPE b wrong\na 1\n", 2),
        (b'a 1\nb{x="\xff"} 1\n', 2),
        ("a 1\n<html>\n", 2),
    ],
)
def test_error_names_the_line(page: str | bytes, line: int) -> None:
    """Who reads the sentence finds the line: it is counted from the top of the page, comments included."""
    with pytest.raises(ScrapeFormatError) as caught:
        parse_exposition(page)

    assert caught.value.where == f"line {line}"
    assert f"line {line} " in str(caught.value)


def test_page_that_is_cut_anywhere_is_never_read_with_wrong_numbers() -> None:
    """A page that ends too early is refused, or ends at the end of a line; no cut number is taken for one."""
    samples = [sample for family in parse_exposition(SUMMARY) for sample in family.samples]
    lengths = {}
    for end in range(len(SUMMARY)):
        with suppress(ScrapeFormatError):
            found = [sample for family in parse_exposition(SUMMARY[:end]) for sample in family.samples]
            lengths[end] = len(found)
            assert found == samples[: len(found)]

    # At the ends of the five lines, never where nothing came; behind a sample's time its line feed may be missing.
    assert list(lengths.values()) == [0, 0, 1, 1, 2, 2, 3]


def test_cut_page_is_told_as_such() -> None:
    """The sentence says that the page is cut off, and where."""
    with pytest.raises(ScrapeFormatError) as caught:
        parse_exposition("a 1\nb 2\nc 0.12")

    assert str(caught.value) == "The metrics page is cut off: it ends inside line 3, 'c 0.12'. Read it again."
    assert caught.value.where == "line 3"


def test_one_line_of_the_document_is_a_page() -> None:
    """A line as printed, without a line feed behind it, is read: its whole time stands at its end."""
    (family,) = parse_exposition(DOCUMENT.splitlines()[1])

    assert family.samples[0].timestamp_ms == 1692222226141


def test_exemplar_in_prometheus_text_is_no_timestamp() -> None:
    """What follows a number sign after the value is left out, also behind labels with number signs in them."""
    (family,) = parse_exposition('a_total{x="# {}"} 3 # {trace_id="7"} 0.5 1.5\na_total 4 # {t="x"} 2\n')

    assert [(s.value, s.timestamp_ms) for s in family.samples] == [(3, None), (4, None)]
    assert family.samples[0].labels == {"x": "# {}"}


def test_interleaved_metrics_are_put_together() -> None:
    """Lines of two metrics may alternate; HELP and TYPE may stand apart and behind."""
    page = '# TYPE a gauge\na 1\nb 2\na{x="y"} 3\n# HELP b Bees.\n# TYPE b gauge\n# HELP a Ays.\n'
    a, b = parse_exposition(page)

    assert (a.kind, a.help, [s.value for s in a.samples]) == ("gauge", "Ays.", [1, 3])
    assert (b.kind, b.help, [s.value for s in b.samples]) == ("gauge", "Bees.", [2])


def test_quoted_names_are_read_and_written() -> None:
    """Names of any characters, as Prometheus 3 writes them, are read and written back."""
    page = '{"my.metric","my.label"="x",b="y"} 1\n'
    (family,) = parse_exposition(page)

    assert family.samples == (Sample("my.metric", 1.0, {"my.label": "x", "b": "y"}),)
    assert render_text([family]).splitlines()[-1] + "\n" == page


def _parsed_by_peer(page: str) -> list[tuple[Any, ...]]:
    found = []
    for family in text_string_to_metric_families(page):
        found += [(s.name, dict(s.labels), float(s.value), s.timestamp) for s in family.samples]
    return sorted(found, key=repr)


LINE = st.builds(
    lambda name, labels, value, stamp: Sample(name, value, labels, stamp),
    st.sampled_from(["a", "b_sum", "b", "b_count", "c_bucket", "c_total"]),
    st.dictionaries(st.sampled_from(["x", "le", "quantile", "y"]), LABEL_TEXT, max_size=3),
    st.floats(allow_nan=False),
    st.one_of(st.none(), st.integers(10**11, 10**13)),
)


@settings(max_examples=200, derandomize=True, deadline=None, database=None)
@given(st.lists(LINE, max_size=6), st.lists(LINE, max_size=6))
def test_remembered_series_are_read_as_prometheus_client_reads_them(one: list[Sample], other: list[Sample]) -> None:
    """The first page of a series and every later one say what prometheus_client says of the same text."""
    pages = [render_text([Family("z", samples=tuple(samples))]) for samples in (one, other, one + other)]
    memory = SeriesMemory()
    found = [read_text(page, memory) for page in pages]

    for page, ours in zip(pages, found, strict=True):
        rows = zip(ours.series, ours.values, ours.timestamps_ms, strict=True)
        mine = [(s.name, dict(s.labels), v, None if t is None else t / 1000) for s, v, t in rows]
        assert sorted(mine, key=repr) == _parsed_by_peer(page)


def test_memory_of_series_is_bounded(monkeypatch: pytest.MonkeyPatch) -> None:
    """A server that invents new series with every scrape does not fill the memory; reading stays right."""
    monkeypatch.setattr("tecton_nb.wire.metrics_text._MOST_SERIES", 10)
    memory = SeriesMemory()
    for i in range(50):
        page = read_text(f'a{{x="{i}"}} {i}\nb 1\n', memory)

        assert (page.series[0].labels, page.values[0]) == ({"x": str(i)}, i)
    assert len(memory.known) <= 10
    assert read_text("b 2\n", memory).values == [2]


def test_long_line_is_refused_before_it_is_parsed() -> None:
    """The parser's time grows by the square of a line's length, so a line has a limit."""
    with pytest.raises(ScrapeFormatError, match=r"line 2 is .*longer than 16,384 characters"):
        parse_exposition("b 1\na{" + ",".join(f'l{i}="x"' for i in range(10_000)) + "} 1\n")
