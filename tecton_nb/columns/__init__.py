"""Every column of every frame this package hands out: name, dtype, unit and meaning.

Feature columns themselves are named and typed by the feature service's metadata; the columns here
stand beside them. A frame is built from its tuple here, or in `comparisons`, so this is the reference.
"""

from __future__ import annotations

from .column import Column as Column
from .column import by_name as by_name
from .comparisons import CACHE_EXPERIMENT as CACHE_EXPERIMENT
from .comparisons import COMPARED_DTYPES as COMPARED_DTYPES
from .comparisons import COMPARISON_SUMMARY as COMPARISON_SUMMARY
from .comparisons import DIFFERENT_VALUE as DIFFERENT_VALUE
from .comparisons import DTYPE_DIFFERS as DTYPE_DIFFERS
from .comparisons import EQUAL as EQUAL
from .comparisons import EXPLANATIONS as EXPLANATIONS
from .comparisons import FEATURE_PAIR as FEATURE_PAIR
from .comparisons import MISMATCH as MISMATCH
from .comparisons import MISMATCHES as MISMATCHES
from .comparisons import NAN_AGAINST_NULL as NAN_AGAINST_NULL
from .comparisons import NO_ANSWER as NO_ANSWER
from .comparisons import NO_MISMATCH as NO_MISMATCH
from .comparisons import NULL_AGAINST_VALUE as NULL_AGAINST_VALUE
from .comparisons import ONLY_LEFT as ONLY_LEFT
from .comparisons import ONLY_RIGHT as ONLY_RIGHT
from .comparisons import SKEW as SKEW
from .comparisons import STATUS_DIFFERS as STATUS_DIFFERS
from .comparisons import VERDICTS as VERDICTS
from .comparisons import WITHIN_TOLERANCE as WITHIN_TOLERANCE
from .comparisons import WORST_ROWS as WORST_ROWS

# What the serving status frames hold: the server's own texts, spelled one way, and two of ours.
PRESENT = "PRESENT"
MISSING_DATA = "MISSING_DATA"
UNKNOWN_STATUS = "UNKNOWN_STATUS"
TIME_OUT = "TIME_OUT"
FAILED = "FAILED"
NOT_FETCHED = "NOT_FETCHED"
# Older documents and servers: the same status under another name.
STATUS_SPELLINGS = {"UNKNOWN": UNKNOWN_STATUS, "CACHED": "CACHED_PRESENT"}
CACHED_PREFIX = "CACHED_"
# With these the server, or the way to it, said nothing about the value.
NO_ANSWER_STATUSES = (UNKNOWN_STATUS, TIME_OUT, FAILED, NOT_FETCHED)

# Columns of samples of metrics that are no labels.
SAMPLE_PARTS = frozenset(
    {"timestamp", "metric", "kind", "stage", "sample", "quantile", "le", "value", "timestamp_source"}
)

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

SLO_SLICES = (
    Column("timestamp", "datetime64[ns, UTC]", "end of the slice of time"),
    Column("slice_seconds", "Float64", "length of the slice", "s"),
    Column("service", "string", "feature service; missing where all of them are counted together"),
    Column("service_id", "string", "its id, as metrics state it; it tells services of one name apart"),
    Column("requests", "Float64", "requests that count, or may count, for the objective; missing if unknown"),
    Column("certain_requests", "Float64", "those of them that count for certain: fewer where 504s count if eligible"),
    Column("good_min_ratio", "Float64", "least share of requests that can have been good; missing without traffic"),
    Column(
        "good_max_ratio", "Float64", "greatest share of certain_requests that can have been good; 1 if there is none"
    ),
    Column("source", "string", "replies (of one's own requests), latency quantiles or error rates"),
)

SLO_ATTAINMENT = (
    Column("service", "string", "feature service; missing where all of them are counted together"),
    Column("service_id", "string", "its id, as metrics state it; it tells services of one name apart"),
    Column("objective", "string", "name of the objective"),
    Column("method", "string", "how requests and slices are counted: occurrences, ratio_timeslices or timeslices"),
    Column("source", "string", "replies (of one's own requests), latency quantiles or error rates"),
    Column("window_start", "datetime64[ns, UTC]", "beginning of the objective's window"),
    Column("window_end", "datetime64[ns, UTC]", "end of the objective's window"),
    Column("requests", "Float64", "requests that count, as far as known"),
    Column("good_min_ratio", "Float64", "least share that can have been good, by the method; 0 to 1"),
    Column("good_max_ratio", "Float64", "greatest share that can have been good, by the method"),
    Column("target_ratio", "Float64", "share that the objective asks for"),
    Column("is_met", "boolean", "whether the objective is met; missing where the interval holds the target"),
    Column("budget_spent_min_ratio", "Float64", "least part of the error budget that is spent; 1 is all of it"),
    Column("budget_spent_max_ratio", "Float64", "greatest part of the error budget that is spent"),
    Column("coverage_ratio", "Float64", "part of the window for which there are data; 0 to 1"),
)

SLO_BUDGET = (
    Column("timestamp", "datetime64[ns, UTC]", "end of the slice of time"),
    Column("slice_seconds", "Float64", "length of the slice", "s"),
    Column("service", "string", "feature service; missing where all of them are counted together"),
    Column("service_id", "string", "its id, as metrics state it; it tells services of one name apart"),
    Column("objective", "string", "name of the objective"),
    Column("method", "string", "how requests and slices are counted: occurrences, ratio_timeslices or timeslices"),
    Column("source", "string", "replies (of one's own requests), latency quantiles or error rates"),
    Column("target_ratio", "Float64", "share that the objective asks for"),
    Column("good_min_ratio", "Float64", "least share that can have been good in the slice; missing without traffic"),
    Column("good_max_ratio", "Float64", "greatest share that can have been good in the slice"),
    Column("attained_min_ratio", "Float64", "least share that can have been good in the window that ends here"),
    Column("attained_max_ratio", "Float64", "greatest share that can have been good in that window"),
    Column("left_min_ratio", "Float64", "least part of that window's error budget that is left; below 0 if overspent"),
    Column("left_max_ratio", "Float64", "greatest part of that window's error budget that is left"),
)

SLO_BURN_RATES = (
    Column("service", "string", "feature service; missing where all of them are counted together"),
    Column("service_id", "string", "its id, as metrics state it; it tells services of one name apart"),
    Column("objective", "string", "name of the objective"),
    Column("method", "string", "how requests and slices are counted: occurrences, ratio_timeslices or timeslices"),
    Column("source", "string", "replies (of one's own requests), latency quantiles or error rates"),
    Column("factor", "Float64", "burn rate from which on it is alarming; 1 spends the budget in exactly the window"),
    Column("long_window_seconds", "Float64", "window that shows it matters", "s"),
    Column("short_window_seconds", "Float64", "window that shows it still goes on", "s"),
    Column("long_min", "Float64", "least burn rate in the long window"),
    Column("long_max", "Float64", "greatest burn rate in the long window"),
    Column("short_min", "Float64", "least burn rate in the short window"),
    Column("short_max", "Float64", "greatest burn rate in the short window"),
    Column("long_coverage_ratio", "Float64", "part of the long window for which there are data; 0 to 1"),
    Column("short_slices", "Int64", "slices of time with data in the short window; few of them prove little"),
    Column(
        "alert",
        "string",
        "firing, possible (the interval holds the factor), quiet, no data or never (the rule does not fit: its factor "
        "is out of reach or below 1, or its window longer than the objective's)",
    ),
)

SLO_ELIGIBILITY = (
    Column("outcome", "string", "eligible, the server's reason why not, not eligible (no reason), or not reported"),
    Column("requests", "Int64", "rows with it; one with several reasons counts for each"),
    Column("share_ratio", "Float64", "share of all rows; 0 to 1"),
    Column("p50_slo_server_time_seconds", "Float64", "half of them took at most this in the server", "s"),
    Column("p99_slo_server_time_seconds", "Float64", "99 % of them took at most this in the server", "s"),
    Column("max_store_latency_seconds", "Float64", "slowest read from the online store", "s"),
    Column("max_store_response_size_bytes", "Int64", "most that was read from the online store for one row", "B"),
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

# The labels of Tecton's own metrics; an empty one is the same as none.
METRIC_LABELS = (
    Column("workspace", "string", "label: workspace"),
    Column("feature_service_name", "string", "label: name of the feature service"),
    Column("feature_service_id", "string", "label: id of the feature service"),
    Column("feature_view_name", "string", "label: name of the feature view"),
    Column("feature_view_id", "string", "label: id of the feature view"),
    Column("feature_view", "string", "label: the feature view that the cache holds"),
    Column("aws_region", "string", "label: region"),
    Column("server_group", "string", "label: group of feature servers"),
    Column("status", "string", "label: HTTP status or gRPC code of the answers"),
    Column("error_code", "string", "label: class of the error, 4xx or 5xx"),
    Column("code", "string", "label: gRPC code of a scaling request"),
    Column("operation", "string", "label: operation of the cache, read or write"),
    Column("shard_type", "string", "label: kind of the cache's shard, primary or replica"),
)

_METRIC = Column("metric", "string", "name of the metric")
_STAGE = Column("stage", "string", "release stage: GA, Preview or Deprecated; missing where nobody states one")
_SAMPLE = (
    Column("sample", "string", "value, sum, count or bucket; what else OpenMetrics knows by its suffix"),
    Column("quantile", "Float64", "quantile of a summary's sample"),
    Column("le", "Float64", "upper bound of a histogram's bucket"),
    Column("value", "Float64", "the number; NaN is a number here and not a gap"),
    *METRIC_LABELS,
    Column("labels", "string", "the other labels as JSON"),
)

METRIC_SAMPLES = (
    Column("timestamp", "datetime64[ns, UTC]", "time of the sample; that of the scrape where the page has none"),
    _METRIC,
    Column("kind", "string", "gauge, summary, counter, histogram or unknown"),
    _STAGE,
    *_SAMPLE,
    Column("timestamp_source", "string", "exposed: the page states the time; scrape: it is that of the scrape"),
)

_FAMILY = (
    _METRIC,
    Column("kind", "string", "gauge, summary, counter, histogram or unknown"),
    Column("unit", "string", "unit of its values, as the page or Tecton's documents have it"),
    _STAGE,
    Column("help", "string", "what the page says of it, or else Tecton's documents"),
    Column("version", "string", "oldest version of Tecton's documents that lists it; missing for other metrics"),
)

METRIC_FAMILIES = (*_FAMILY, Column("samples", "Int64", "samples on the page"))

METRIC_HISTORY_FAMILIES = (*_FAMILY, Column("series", "Int64", "series that were recorded"))

METRIC_SERVICES = (
    Column("name", "string", "name of the feature service"),
    Column("id", "string", "id of the feature service; one name may have several, of other workspaces"),
    Column("requests_per_second", "Float64", "rate over the last five minutes, as the server reports it", "1/s"),
)

METRIC_HISTORY = (
    Column("timestamp", "datetime64[ns, UTC]", "time of the sample, to the millisecond"),
    _METRIC,
    _STAGE,
    *_SAMPLE,
)

METRIC_SCRAPES = (
    Column("started_at", "datetime64[ns, UTC]", "when the metrics page was asked for"),
    Column("duration_seconds", "Float64", "until it was read; missing where nobody measured it", "s"),
    Column("outcome", "string", "ok, or the name of the exception"),
    Column("status", "Int64", "HTTP status of an answer that was an error"),
    Column("samples", "Int64", "samples on the page"),
    Column("new_samples", "Int64", "those of them that were not in the history yet"),
    Column("error", "string", "the sentence of the exception"),
)

METRIC_GAPS = (
    Column("start", "datetime64[ns, UTC]", "last good scrape before the gap; NaT where there is none"),
    Column("end", "datetime64[ns, UTC]", "first good scrape after it; NaT where there is none yet"),
    Column("duration_seconds", "Float64", "from start to end; missing where one of them is", "s"),
    Column("failed_scrapes", "Int64", "scrapes in between that failed"),
    Column("reason", "string", "the last failure in between, or that nobody scraped"),
)

METRIC_ROLLUP = (
    Column("timestamp", "datetime64[ns, UTC]", "begin of the period"),
    _METRIC,
    _STAGE,
    *(column for column in _SAMPLE if column.name != "value"),
    Column("samples", "Int64", "samples of the series in the period that are no NaN"),
)
