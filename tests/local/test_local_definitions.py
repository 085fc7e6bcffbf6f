"""Definitions: names, order, ids and the sentences about mistakes."""

from dataclasses import replace

import pytest

from tecton_nb.exceptions import SettingsError
from tecton_nb.local.definitions.durations import nanoseconds
from tecton_nb.local.definitions.plan import plan_service
from tecton_nb.local.definitions.validation import check
from tecton_nb.local.definitions.views import (
    AggregatedView,
    Aggregation,
    BatchView,
    Definitions,
    Feature,
    FeatureService,
    Field,
    RealtimeView,
    full_name,
    ordered_features,
)
from tecton_nb.wire.types import FLOAT64, INT64, STRING

USER = (Field("user_id", STRING),)
BATCH = BatchView("users", USER, (Feature("age", INT64),))
WINDOWS = AggregatedView("spend", USER, (Aggregation("amount", "mean", "7d"),), interval="1h")
LIVE = RealtimeView("live", (Feature("b", INT64), Feature("a", INT64)), dict, (Field("amount", FLOAT64),))


def defined(*views: object, services: tuple[FeatureService, ...] = ()) -> Definitions:
    """Definitions of these views."""
    return Definitions(views, services)  # type: ignore[arg-type]


def test_aggregated_feature_name_follows_tectons_pattern():
    """An aggregated feature is called column, function, window and interval."""
    names = [full_name(WINDOWS, feature) for feature in WINDOWS.features]

    assert names == ["spend.amount_mean_7d_1h"]


def test_feature_name_of_view_without_namespace_has_no_dot():
    """A view with an empty namespace gives its features plain names."""
    view = replace(BATCH, namespace="")

    assert full_name(view, view.features[0]) == "age"


def test_feature_order_sorts_stored_views_as_text_and_keeps_realtime_schema():
    """Stored features sort as plain text, so 1d < 1h < 30d < 3d; realtime ones keep their schema."""
    windows = ("3d", "1h", "30d", "1d")
    stored = replace(WINDOWS, aggregations=tuple(Aggregation("x", "count", window) for window in windows))

    assert [feature.name for feature in ordered_features(stored)] == [
        "x_count_1d_1h",
        "x_count_1h_1h",
        "x_count_30d_1h",
        "x_count_3d_1h",
    ]
    assert [feature.name for feature in ordered_features(LIVE)] == ["b", "a"]


def test_vector_puts_realtime_views_first_whatever_the_service_lists_first():
    """Realtime views come first, then the other views by name."""
    service = FeatureService("s", ("users", "spend", "live"))
    plan = plan_service(service, check(defined(BATCH, WINDOWS, LIVE, services=(service,))))

    assert [output.name for output in plan.outputs] == ["live.b", "live.a", "spend.amount_mean_7d_1h", "users.age"]


def test_service_id_is_the_same_in_every_run_and_differs_by_workspace():
    """A service keeps its id from run to run; the same name in another workspace has another."""
    prod = FeatureService("s", ("users",))
    dev = FeatureService("s", ("users",), workspace="dev")

    assert prod.id == "5e1b24a9bf22ed57ae04cf3f83d3a960"
    assert prod.id != dev.id


@pytest.mark.parametrize(("text", "seconds"), [("30s", 30), ("10m", 600), ("1h", 3_600), ("7d", 604_800)])
def test_duration_text_is_read_with_its_unit(text, seconds):
    """Lengths of time are whole numbers with s, m, h or d."""
    assert nanoseconds(text, where="ttl") == seconds * 10**9


@pytest.mark.parametrize("text", ["", "7", "d", "0d", "1.5h", "7 d", "7w", "-1d", 7])
def test_duration_that_is_none_is_refused(text):
    """A length of time that cannot be read is told, with the way to write one."""
    with pytest.raises(SettingsError) as caught:
        nanoseconds(text, where="ttl of view 'users'")

    assert str(caught.value) == (
        f"Cannot read '{text}' as the ttl of view 'users': "
        "write a whole number and a unit, such as '10m', '1h' or '7d'."
    )


SERVICE = FeatureService("s", ("users",))
MISTAKES = {
    "The view 'users' is defined 2 times; names must be unique.": defined(BATCH, BATCH),
    "A view has no name.": defined(replace(BATCH, name="")),
    "The feature service 'prod/s' is defined 2 times; names must be unique.": defined(
        BATCH, services=(SERVICE, SERVICE)
    ),
    "The view 'users' has no features.": defined(replace(BATCH, features=())),
    "The feature of the view 'users' 'age' is defined 2 times; names must be unique.": defined(
        replace(BATCH, features=BATCH.features * 2)
    ),
    "The view 'users' has no join keys.": defined(replace(BATCH, join_keys=())),
    "The join key 'user_id' of the view 'users' is float64; use 'string', 'int64'.": defined(
        replace(BATCH, join_keys=(Field("user_id", FLOAT64),))
    ),
    "Cannot read 'soon' as the ttl of view 'users': write a whole number and a unit, "
    "such as '10m', '1h' or '7d'.": defined(replace(BATCH, ttl="soon")),
    "The view 'spend' knows no function 'maen'; "
    "use one of 'count', 'last', 'max', 'mean', 'min', 'sum'. Did you mean 'mean'?": defined(
        replace(WINDOWS, aggregations=(Aggregation("amount", "maen", "7d"),))
    ),
    "The window '90m' of view 'spend' is no multiple of its interval '1h'.": defined(
        replace(WINDOWS, aggregations=(Aggregation("amount", "mean", "90m"),))
    ),
    "The view 'live' reads from 'user', which is no batch or aggregated view; "
    "those are 'users'. Did you mean 'users'?": defined(BATCH, replace(LIVE, sources=("user",))),
    "The function of the view 'live' cannot be called: '3'.": defined(replace(LIVE, function=3)),
    "The feature service 's' has no views.": defined(services=(FeatureService("s", ()),)),
    "The feature service 's' names the view 'user', which is not defined. Did you mean 'users'?": defined(
        BATCH, services=(FeatureService("s", ("user",)),)
    ),
    "The join key 'user_id' of the feature service 's' is string in one view and int64 in another.": defined(
        BATCH,
        replace(WINDOWS, join_keys=(Field("user_id", INT64),)),
        services=(FeatureService("s", ("users", "spend")),),
    ),
    "The wildcard key 'userid' of the feature service 's' is no join key of its views; "
    "those are 'user_id'. Did you mean 'user_id'?": defined(
        BATCH, services=(FeatureService("s", ("users",), wildcard_key="userid"),)
    ),
    "The feature of the feature service 's' 'x' is defined 2 times; names must be unique.": defined(
        BatchView("a", USER, (Feature("x", INT64),), namespace=""),
        BatchView("b", USER, (Feature("x", INT64),), namespace=""),
        services=(FeatureService("s", ("a", "b")),),
    ),
}


@pytest.mark.parametrize("sentence", MISTAKES)
def test_mistake_in_definitions_is_told_in_one_sentence(sentence):
    """A mistake in definitions says what, where and what is possible."""
    with pytest.raises(SettingsError) as caught:
        check(MISTAKES[sentence])

    assert str(caught.value) == sentence


@pytest.mark.parametrize("text", ["106752d", "999999d"])
def test_duration_beyond_64_bits_of_nanoseconds_is_refused(text):
    """A length that no event time can be compared with is refused with the longest one."""
    with pytest.raises(SettingsError, match="the longest possible is '106751d'"):
        nanoseconds(text, where="interval")
