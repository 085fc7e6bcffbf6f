"""Every column of every frame this package hands out: name, dtype, unit and meaning.

Feature columns themselves are named and typed by the feature service's metadata; the columns here
stand beside them. A frame is built from its tuple below, so this file is the reference.
"""

from __future__ import annotations

from dataclasses import dataclass

# What the serving status frames hold: the server's own texts, spelled one way, and two of ours.
PRESENT = "PRESENT"
MISSING_DATA = "MISSING_DATA"
UNKNOWN_STATUS = "UNKNOWN_STATUS"
TIME_OUT = "TIME_OUT"
FAILED = "FAILED"
NOT_FETCHED = "NOT_FETCHED"
# Older documents and servers: the same status under another name.
STATUS_SPELLINGS = {"UNKNOWN": UNKNOWN_STATUS, "CACHED": "CACHED_PRESENT"}


@dataclass(frozen=True, slots=True)
class Column:
    """One column: `dtype` is the pandas dtype as text, `unit` is empty where there is none."""

    name: str
    dtype: str
    meaning: str
    unit: str = ""


SERVICES = (
    Column("name", "string", "name of the feature service"),
    Column("id", "string", "id of the feature service"),
    Column("requests_per_second", "Float64", "rate over the last five minutes, as the server reports it", "1/s"),
    Column("source", "string", "where the name was found: metrics, profile or given"),
)

INPUTS = (
    Column("name", "string", "name of the join key or request context key"),
    Column("kind", "string", "join_key or request_context"),
    Column("data_type", "string", "data type, such as int64 or array<string>"),
)

FEATURES = (
    Column("name", "string", "full name, which is the column name in feature frames"),
    Column("feature_view", "string", "part of the name before its first dot; missing where there is none"),
    Column("feature", "string", "part of the name after its first dot, or the whole name"),
    Column("data_type", "string", "data type, such as int64 or array<float64>"),
    Column("dtype", "string", "pandas dtype of the column in feature frames"),
    Column("description", "string", "what the feature's definition says; missing until asked for with values"),
    Column("tags", "string", "tags of the definition as JSON; missing until asked for with values"),
)

DETAILS = (
    Column("name", "string", "full name of the feature"),
    Column("value", "object", "the value as a Python object; None where it is null"),
    Column("data_type", "string", "data type, such as int64 or array<float64>"),
    Column("status", "string", "serving status; missing where none was asked for"),
    Column("effective_time", "datetime64[ns, UTC]", "up to when the value is complete; NaT for realtime features"),
    Column("description", "string", "what the feature's definition says; missing where it was not asked for"),
    Column("tags", "string", "tags of the definition as JSON; missing where they were not asked for"),
)

SLO_INFO = (
    Column("slo_eligible", "boolean", "whether the request counts for the latency objective"),
    Column("slo_server_time_seconds", "Float64", "server time without waiting for realtime transformations", "s"),
    Column("server_time_seconds", "Float64", "all time inside the server", "s"),
    Column("store_max_latency_seconds", "Float64", "slowest read from the online store", "s"),
    Column("store_response_size_bytes", "Int64", "size of everything read from the online store", "B"),
    Column("slo_ineligibility_reasons", "string", "why the request does not count, joined by commas"),
)

CALLS = (
    Column("rows", "Int64", "rows asked for in the call"),
    Column("attempts", "Int64", "attempts made for these rows, this one included: 2 is the first retry"),
    Column("status", "Int64", "HTTP status; missing if no answer came"),
    Column("started_at", "datetime64[ns, UTC]", "when the call was started"),
    Column("client_time_seconds", "Float64", "from the start of the transfer to the last byte", "s"),
    Column("name_lookup_seconds", "Float64", "finding the address of the host", "s"),
    Column("connect_seconds", "Float64", "opening the connection", "s"),
    Column("tls_seconds", "Float64", "agreeing on encryption", "s"),
    Column("first_byte_seconds", "Float64", "from the request sent to the first byte of the answer", "s"),
    Column("transfer_seconds", "Float64", "from the first byte to the last", "s"),
    Column("server_time_seconds", "Float64", "all time inside the server, as it reports", "s"),
    Column("store_max_latency_seconds", "Float64", "slowest read from the online store, as the server reports", "s"),
    Column("wait_seconds", "Float64", "held back before: by a rate limit, the server's wish or after a failure", "s"),
    Column("response_bytes", "Int64", "size of the answer's body", "B"),
    Column("is_new_connection", "boolean", "whether a connection was opened for the call"),
)

ERRORS = (
    Column("exception", "string", "name of the exception class"),
    Column("status", "Int64", "HTTP status; missing if no answer came"),
    Column("message", "string", "the sentence of the exception"),
    Column("attempts", "Int64", "how often the row was asked for; 0 if it could not be sent, or the run ended before"),
)

LATENCY_QUANTILES = (
    Column("series", "string", "client time, server time, or the group"),
    Column("calls", "Int64", "calls that have a time"),
    Column("missing", "Int64", "calls that have none"),
    Column("p50_seconds", "Float64", "half of the calls took at most this", "s"),
    Column("p95_seconds", "Float64", "95 % of the calls took at most this", "s"),
    Column("p99_seconds", "Float64", "99 % of the calls took at most this", "s"),
    Column("within_ratio", "Float64", "share of the calls with a time that took at most the threshold; 0 to 1"),
)

METRIC_SAMPLES = (
    Column("timestamp", "datetime64[ns, UTC]", "time of the sample; that of the scrape where the page has none"),
    Column("metric", "string", "name of the metric"),
    Column("kind", "string", "gauge, summary, counter, histogram or unknown"),
    Column("sample", "string", "value, sum, count or bucket"),
    Column("quantile", "Float64", "quantile of a summary's sample"),
    Column("le", "Float64", "upper bound of a histogram's bucket"),
    Column("value", "Float64", "the number; NaN is a number here and not a gap"),
    Column("labels", "string", "the other labels as JSON"),
)


def by_name(columns: tuple[Column, ...]) -> dict[str, str]:
    """Return dtype by name, in order."""
    return {column.name: column.dtype for column in columns}
