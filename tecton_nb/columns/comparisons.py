"""Columns of comparisons, and what they say of a cell."""

from __future__ import annotations

from .column import Column

# What a comparison says of a cell.
EQUAL = "equal"
WITHIN_TOLERANCE = "within_tolerance"
NO_ANSWER = "no_answer"
DIFFERENT_VALUE = "different_value"
NULL_AGAINST_VALUE = "null_against_value"
NAN_AGAINST_NULL = "nan_against_null"
STATUS_DIFFERS = "status_differs"
DTYPE_DIFFERS = "dtype_differs"
ONLY_LEFT = "only_left"
ONLY_RIGHT = "only_right"
NO_MISMATCH = (EQUAL, WITHIN_TOLERANCE, NO_ANSWER)
MISMATCH = (DIFFERENT_VALUE, NULL_AGAINST_VALUE, NAN_AGAINST_NULL, STATUS_DIFFERS, DTYPE_DIFFERS, ONLY_LEFT, ONLY_RIGHT)
VERDICTS = (*NO_MISMATCH, *MISMATCH)

COMPARISON_SUMMARY = (
    Column("feature", "string", "full name of the feature"),
    Column("cells", "Int64", "cells on either side"),
    Column(
        "match_ratio", "Float64", "share of the cells that are equal or within tolerance; 0 to 1, missing without cells"
    ),
    Column("mismatches", "Int64", "cells that differ, of whatever verdict"),
    Column("equal", "Int64", "cells with the same value: null equals null, NaN equals NaN"),
    Column("within_tolerance", "Int64", "cells that differ by no more than the tolerance"),
    Column("no_answer", "Int64", "cells that neither side has an answer for: failed, not fetched, timed out, unknown"),
    Column("different_value", "Int64", "cells with two values that differ"),
    Column("null_against_value", "Int64", "cells that are null on one side only"),
    Column("nan_against_null", "Int64", "cells that are NaN on one side and null on the other"),
    Column("status_differs", "Int64", "cells whose serving statuses differ; cached or not is no difference"),
    Column("dtype_differs", "Int64", "cells with two values of kinds that cannot be compared"),
    Column("only_left", "Int64", "cells whose row or feature is on the left only"),
    Column("only_right", "Int64", "cells whose row or feature is on the right only"),
    Column("left_null_ratio", "Float64", "share of the left's cells that are null; 0 to 1"),
    Column("right_null_ratio", "Float64", "share of the right's cells that are null; 0 to 1"),
    Column(
        "mean_absolute_difference", "Float64", "over finite pairs of numbers or times, equal ones too; times in seconds"
    ),
    Column("max_absolute_difference", "Float64", "the largest of them"),
    Column("mean_relative_difference", "Float64", "absolute difference by the larger magnitude; numbers only"),
    Column("max_relative_difference", "Float64", "the largest of them"),
    Column("psi", "Float64", "population stability index of right against left; numbers, texts and booleans"),
    Column("ks_statistic", "Float64", "two-sample Kolmogorov-Smirnov statistic, 0 to 1; numbers only"),
)

MISMATCHES = (
    Column("feature", "string", "full name of the feature"),
    Column("verdict", "string", "one of columns.MISMATCH"),
    Column("left", "object", "the left value as a Python object; None where it is null or not there"),
    Column("right", "object", "the right value as a Python object; None where it is null or not there"),
    Column("difference", "Float64", "right minus left; numbers as they are, times in seconds"),
    Column("left_status", "string", "serving status on the left; missing where there is none"),
    Column("right_status", "string", "serving status on the right; missing where there is none"),
    Column("left_effective_time", "datetime64[ns, UTC]", "effective time on the left; NaT where there is none"),
    Column("right_effective_time", "datetime64[ns, UTC]", "effective time on the right; NaT where there is none"),
)

WORST_ROWS = (
    Column("mismatches", "Int64", "features that differ in this row"),
    Column("cells", "Int64", "features that both sides have"),
    Column("features", "string", "names of those that differ, the first ten, joined by commas"),
)

COMPARED_DTYPES = (
    Column("feature", "string", "full name of the feature"),
    Column("left_dtype", "string", "pandas dtype on the left; missing where the feature is not there"),
    Column("right_dtype", "string", "pandas dtype on the right; missing where the feature is not there"),
    Column("is_same", "boolean", "whether the two dtypes are the same"),
    Column("is_comparable", "boolean", "whether values of the two can be equal, such as int64 and Int64"),
)

FEATURE_PAIR = (
    Column("feature", "string", "full name of the feature, the same in every row"),
    Column("left", "object", "the left value as a Python object; None where it is null"),
    Column("right", "object", "the right value as a Python object; None where it is null"),
    Column("verdict", "string", "one of columns.VERDICTS"),
)

EXPLANATIONS = (
    Column("feature", "string", "full name of the feature"),
    Column("rank", "Int64", "1 is the likeliest"),
    Column("cause", "string", "such as stale, cache, ttl, precision, unit_factor; see compare.CAUSES"),
    Column("explained_ratio", "Float64", "share of the feature's differing cells that fit the cause; 0 to 1"),
    Column("evidence", "string", "what was found, in a sentence"),
)

CACHE_EXPERIMENT = (
    Column("read_from_cache", "boolean", "whether the cache could be read"),
    Column("write_to_cache", "boolean", "whether the cache could be written"),
    Column("rows", "Int64", "rows fetched"),
    Column("failed", "Int64", "rows that failed"),
    Column("cached_ratio", "Float64", "share of the values with a status that came from the cache; 0 to 1"),
    Column(
        "match_ratio",
        "Float64",
        "share of the cells that equal those fetched past the cache; those without an answer do not; 0 to 1",
    ),
    Column("mismatches", "Int64", "cells that differ from those fetched past the cache"),
    Column("median_client_time_seconds", "Float64", "half of the calls took at most this", "s"),
    Column("median_server_time_seconds", "Float64", "the same inside the server, as it reports", "s"),
)

SKEW = (
    Column("feature", "string", "full name of the feature"),
    Column(
        "skew",
        "string",
        "stale_online, ahead_online, null_online, null_offline, no_offline_row, no_answer_online, value",
    ),
    Column("online", "object", "the value served; None where it is null"),
    Column("offline", "object", "the offline value at the effective time; None where it is null or not there"),
    Column("effective_time", "datetime64[ns, UTC]", "effective time of the value served"),
    Column(
        "same_value_time",
        "datetime64[ns, UTC]",
        "nearest other time with the value served offline; NaT if there is none",
    ),
    Column("lag_seconds", "Float64", "effective time minus that time; above 0 the online value is too old", "s"),
)
