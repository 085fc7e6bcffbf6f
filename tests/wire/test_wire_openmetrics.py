"""Pages that claim to be OpenMetrics: read or refused as its rules say, by prometheus_client's strict parser."""

from __future__ import annotations

import math
from contextlib import suppress

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from prometheus_client.openmetrics.parser import text_string_to_metric_families

from tecton_nb.exceptions import ScrapeFormatError
from tecton_nb.metrics import parse_exposition

CONTENT_TYPE = "application/openmetrics-text; version=1.0.0; charset=utf-8"
EOF = "# EOF\n"
# Bodies in front of "# EOF", with the values that they hold.
ACCEPTED = {
    "": [],
    "a 1\n": [1],
    "# TYPE a counter\n# HELP a help\na_total 1\n": [1],
    "# TYPE a counter\na_total 1\na_created 2\n": [1, 2],
    '# TYPE a counter\na_total 1 # {a="b"} 0.5\n': [1],
    '# TYPE a counter\na_total 0 123 # {a="b"} 0.5 123\n': [0],
    "# TYPE a_seconds gauge\n# UNIT a_seconds seconds\na_seconds 1\n": [1],
    '# TYPE a gauge\na{x="y"} 1\na{x="z"} 2\n': [1, 2],
    '# TYPE a gauge\na{x="\\\\ \\" \\n"} 1\n': [1],
    '# TYPE a gauge\na{x="}"} 1\n': [1],
    "# TYPE a summary\na_count 1\na_sum 2\n": [1, 2],
    '# TYPE a summary\na{quantile="0.5"} 0.7\na{quantile="1"} 0.8\n': [0.7, 0.8],
    '# TYPE a histogram\na_bucket{le="1.0"} 0\na_bucket{le="+Inf"} 3\na_count 3\na_sum 2\n': [0, 3, 3, 2],
    '# TYPE a histogram\na_bucket{le="+Inf"} 3 # {x="y"} 0.5\n': [3],
    '# TYPE a gaugehistogram\na_bucket{le="+Inf"} 3\na_gcount 3\na_gsum 2\n': [3, 3, 2],
    '# TYPE a info\na_info{version="1"} 1\n': [1],
    '# TYPE a stateset\na{a="x"} 1\na{a="y"} 0\n': [1, 0],
    "# TYPE a unknown\na 1\n": [1],
    '# HELP a \\n\\\\\\"\na 1\n': [1],
    "# TYPE a gauge\na 1 0\na 2 0.5\na 3 1692222226.141\n": [1, 2, 3],
    "a 1 -1\n": [1],
    "a 1 1e3\n": [1],
    "b +Inf\nc -Inf\nd 1e3\n": [math.inf, -math.inf, 1000],
    "# TYPE z gauge\nz 12345678901234567890\n": [12345678901234567890.0],
}
# Whole pages.
REFUSED = [
    "",
    "a 1\n",
    "# TYPE a gauge\na 1\n",
    "\n" + EOF,
    "a 1\n\n" + EOF,
    EOF + "a 1\n",
    EOF + "\n",
    EOF + "# EOF\n",
    "# EOF \n",
    "#EOF\n",
    "# comment\n" + EOF,
    "# TYPE\n" + EOF,
    "# TYPE a\n" + EOF,
    "# TYPE a untyped\n" + EOF,
    "# TYPE a nothing\n" + EOF,
    "# TYPE a gauge\n# TYPE a gauge\n" + EOF,
    "# HELP a b\n# HELP a b\n" + EOF,
    "# UNIT a_seconds seconds\n# UNIT a_seconds seconds\n" + EOF,
    "# UNIT a seconds\n" + EOF,
    "# TYPE a_s info\n# UNIT a_s s\n" + EOF,
    "a 1\n# TYPE a gauge\n" + EOF,
    "# TYPE a gauge\na 1\n# HELP a b\n" + EOF,
    "# TYPE a gauge\na 0\n# TYPE b gauge\nb 1\n# TYPE a gauge\n" + EOF,
    "# TYPE a counter\n# TYPE a_total gauge\n" + EOF,
    "a\n" + EOF,
    "a \n" + EOF,
    "a  1\n" + EOF,
    "a 1 \n" + EOF,
    "a\t1\n" + EOF,
    " a 1\n" + EOF,
    "a 1 2 3\n" + EOF,
    "a one\n" + EOF,
    "a 1_0\n" + EOF,
    "a 0x1\n" + EOF,
    "a 1 inf\n" + EOF,
    "a 1 NaN\n" + EOF,
    "a 1 1_0\n" + EOF,
    'a{x="y"}1\n' + EOF,
    "a{x=y} 1\n" + EOF,
    'a{x="y} 1\n' + EOF,
    'a{x="y",,z="w"} 1\n' + EOF,
    'a{,x="y"} 1\n' + EOF,
    'a{x="y",x="z"} 1\n' + EOF,
    'a{1x="y"} 1\n' + EOF,
    '1a{x="y"} 1\n' + EOF,
    "# TYPE a counter\na 1\n# TYPE a counter\n" + EOF,
    "# TYPE a counter\na_total NaN\n" + EOF,
    "# TYPE a counter\na_total -1\n" + EOF,
    "# TYPE a gauge\na 1 # {} 1\n" + EOF,
    '# TYPE a counter\na_total 1 # {x="' + "y" * 130 + '"} 1\n' + EOF,
    "# TYPE a summary\na 1\n" + EOF,
    '# TYPE a summary\na{quantile="2"} 1\n' + EOF,
    '# TYPE a summary\na{quantile="0.5"} -1\n' + EOF,
    "# TYPE a summary\na_sum -1\n" + EOF,
    "# TYPE a summary\na_count 0.5\n" + EOF,
    "# TYPE a histogram\na_bucket 1\n" + EOF,
    '# TYPE a histogram\na_bucket{le="1"} 1\n' + EOF,
    '# TYPE a histogram\na_bucket{le="Inf"} 1\n' + EOF,
    '# TYPE a histogram\na_bucket{le="+Inf"} 0.5\n' + EOF,
    '# TYPE a histogram\na_bucket{le="2"} 1\na_bucket{le="1"} 1\na_bucket{le="+Inf"} 1\n' + EOF,
    '# TYPE a histogram\na_bucket{le="1"} 2\na_bucket{le="+Inf"} 1\n' + EOF,
    '# TYPE a histogram\na_bucket{le="+Inf"} 1\na_count 2\na_sum 1\n' + EOF,
    '# TYPE a histogram\na_bucket{le="+Inf"} 1\na_sum 1\n' + EOF,
    '# TYPE a histogram\na_bucket{le="-1"} 1\na_bucket{le="+Inf"} 1\na_count 1\na_sum 1\n' + EOF,
    "# TYPE a info\na_info 2\n" + EOF,
    "# TYPE a stateset\na 1\n" + EOF,
    '# TYPE a stateset\na{a="x"} 2\n' + EOF,
    "# TYPE a gauge\na 1\na 1 1\n" + EOF,
    "# TYPE a gauge\na 1 2\na 1 1\n" + EOF,
    '# TYPE a gauge\na{x="y"} 1\na{x="z"} 1\na{x="y"} 1\n' + EOF,
]


def _is_accepted_by_the_strict_parser(page: str) -> bool:
    try:
        list(text_string_to_metric_families(page))
    except Exception:  # noqa: BLE001  # it raises what it likes
        return False
    return True


@pytest.mark.parametrize("body", ACCEPTED, ids=repr)
def test_page_by_the_rules_is_read(body):
    """What OpenMetrics allows is a frame with the values of the page."""
    frame = parse_exposition(body + EOF, CONTENT_TYPE).to_pandas()

    assert frame["value"].tolist() == ACCEPTED[body]


@pytest.mark.parametrize("page", REFUSED, ids=lambda page: repr(page[:60]))
def test_page_against_the_rules_is_refused(page):
    """What OpenMetrics forbids is an error with the line, never a frame; text and bytes alike."""
    for given_page in (page, page.encode()):
        with pytest.raises(ScrapeFormatError) as caught:
            parse_exposition(given_page, CONTENT_TYPE)

        assert caught.value.where.startswith("line ")


@pytest.mark.parametrize("content_type", [CONTENT_TYPE, None])
def test_line_that_is_too_long_is_refused_before_it_costs_time(content_type):
    """A line of OpenMetrics has the same longest length as one of Prometheus text, claimed or recognized."""
    labels = ",".join(f'l{i}="x"' for i in range(2_000))

    with pytest.raises(ScrapeFormatError, match=r"line 2 is .*longer than 16,384 characters") as caught:
        parse_exposition(f"# TYPE a gauge\na{{{labels}}} 1\n# EOF\n", content_type)

    assert caught.value.where == "line 2"


def test_seconds_of_openmetrics_are_exact_to_the_millisecond():
    """A time in seconds with fractions is the moment it names."""
    frame = parse_exposition("a 1 1692222226.141\nb 2 -1.5\n# EOF\n", CONTENT_TYPE).to_pandas()

    assert [stamp.value for stamp in frame["timestamp"]] == [1692222226141 * 10**6, -1500 * 10**6]


NAMES = ["a", "a_total", "a_bucket", "# TYPE a ", "# HELP a b\n", "# UNIT a s\n"]
KINDS = ["gauge\n", "counter\n", "histogram\n", "summary\n"]
SIGNS = ["{", "}", 'le="+Inf"', 'x="y"', " ", "1", "-1", "NaN", "0.5", "\n", "#", ",", ' # {x="y"} 1', "# EOF\n"]
PIECES = st.sampled_from([*NAMES, *KINDS, *SIGNS])


@settings(max_examples=600, derandomize=True, deadline=None, database=None)
@given(st.lists(PIECES, max_size=12), st.sampled_from(["", "# EOF\n"]))
def test_claimed_openmetrics_is_read_exactly_where_the_strict_parser_reads_it(pieces, end):
    """Whatever stands on a page, it is a frame if prometheus_client's strict parser takes it, else a typed error."""
    page, is_read = "".join(pieces) + end, False

    with suppress(ScrapeFormatError):
        parse_exposition(page, CONTENT_TYPE).to_pandas()
        is_read = True

    assert is_read == _is_accepted_by_the_strict_parser(page)
