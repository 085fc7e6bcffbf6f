"""The two option objects: their signatures, checks and JSON."""

from __future__ import annotations

import dataclasses
import inspect
from typing import Any

import numpy as np
import pytest

from tecton_nb.exceptions import InputError
from tecton_nb.wire.options import MetadataOptions, RequestOptions, options_from

POSITIONAL = inspect.Parameter.POSITIONAL_OR_KEYWORD
KEYWORD = inspect.Parameter.KEYWORD_ONLY


def _signature(kind: type) -> list[tuple[str, Any, Any]]:
    return [(p.name, p.kind, p.default) for p in inspect.signature(kind).parameters.values()]


def test_metadata_options_have_the_documented_signature() -> None:
    """The first five options stand in the documented order with the documented defaults; newer ones are by name."""
    assert _signature(MetadataOptions) == [
        ("include_names", POSITIONAL, True),
        ("include_data_types", POSITIONAL, True),
        ("include_effective_times", POSITIONAL, False),
        ("include_slo_info", POSITIONAL, False),
        ("include_serving_status", POSITIONAL, False),
        ("include_feature_descriptions", KEYWORD, False),
        ("include_feature_tags", KEYWORD, False),
    ]


def test_request_options_have_the_documented_signature() -> None:
    """The two cache options stand first and are on; newer ones are by name and unset."""
    assert _signature(RequestOptions) == [
        ("read_from_cache", POSITIONAL, True),
        ("write_to_cache", POSITIONAL, True),
        ("ignore_extra_request_context_fields", KEYWORD, None),
        ("latency_budget_ms", KEYWORD, None),
        ("coerce_null_counts_to_zero", KEYWORD, None),
    ]


def test_all_metadata_options_ask_for_everything() -> None:
    """all() turns every option on."""
    assert set(dataclasses.asdict(MetadataOptions.all()).values()) == {True}


def test_metadata_options_write_only_what_is_asked_for() -> None:
    """What is off is left out, because older servers refuse names they do not know."""
    assert MetadataOptions().to_json() == {"includeNames": True, "includeDataTypes": True}
    assert MetadataOptions(include_feature_tags=True).to_json() == {
        "includeNames": True,
        "includeDataTypes": True,
        "includeFeatureTags": True,
    }


def test_request_options_write_only_what_is_set() -> None:
    """Unset options are left out; set ones are written whether on or off."""
    assert RequestOptions().to_json() == {"readFromCache": True, "writeToCache": True}
    assert RequestOptions(
        False,
        False,
        ignore_extra_request_context_fields=False,
        latency_budget_ms=100,
        coerce_null_counts_to_zero=True,
    ).to_json() == {
        "readFromCache": False,
        "writeToCache": False,
        "ignoreExtraRequestContextFields": False,
        "latencyBudgetMs": 100,
        "coerceNullCountsToZero": True,
    }


@pytest.mark.parametrize("budget", [99, 50, 0, -1, 2**31, 100.0, "100", True, np.int64(250), float("nan")], ids=repr)
def test_latency_budget_outside_its_bounds_is_refused(budget: Any) -> None:
    """A budget under 100 ms, or one that is no int, is refused before anything is sent."""
    with pytest.raises(InputError) as caught:
        RequestOptions(latency_budget_ms=budget)

    assert str(caught.value) == (
        "The option 'latency_budget_ms' takes a whole number (int) of milliseconds, at least 100 and under 2**31; "
        f"got '{budget}' ({type(budget).__name__})."
    )


@pytest.mark.parametrize("budget", [100, 250, 2**31 - 1])
def test_latency_budget_within_its_bounds_is_kept(budget: int) -> None:
    """100 ms is the smallest budget."""
    assert RequestOptions(latency_budget_ms=budget).latency_budget_ms == budget


@pytest.mark.parametrize("value", [1, "true", [], np.bool_(True)], ids=repr)
def test_flag_that_is_no_boolean_is_refused(value: Any) -> None:
    """A flag is True or False; anything else is refused with its type."""
    with pytest.raises(InputError, match=r"The option 'include_names' takes True or False; got '.*' \(\w+\)\."):
        MetadataOptions(include_names=value)


def test_options_are_frozen_and_compare_by_value() -> None:
    """Options are values: equal when they say the same, hashable, and never changed under a caller."""
    options = MetadataOptions(include_slo_info=True)

    assert options == MetadataOptions(True, True, False, True)
    assert options != MetadataOptions()
    assert len({options, MetadataOptions(include_slo_info=True)}) == 1
    with pytest.raises(dataclasses.FrozenInstanceError):
        options.include_names = False  # type: ignore[misc]


@pytest.mark.parametrize(
    "given",
    [
        {"include_slo_info": True, "include_names": False},
        {"includeSloInfo": True, "includeNames": False},
        {"includeSloInfo": True, "include_names": False},
        MetadataOptions(include_slo_info=True, include_names=False),
    ],
    ids=["snake", "camel", "mixed", "object"],
)
def test_options_may_be_a_dict_in_either_spelling(given: Any) -> None:
    """A dict of options means the same in snake_case and camelCase."""
    assert options_from(given, MetadataOptions) == MetadataOptions(include_slo_info=True, include_names=False)


def test_no_options_stay_none() -> None:
    """None is no options."""
    assert options_from(None, RequestOptions) is None
    assert options_from({}, RequestOptions) == RequestOptions()


@pytest.mark.parametrize(
    ("given", "kind", "words"),
    [
        ({"include_name": True}, MetadataOptions, "has no option 'include_name'. It has: 'include_names', "),
        ({"includeSloInfos": True}, MetadataOptions, "'includeSloInfos'"),
        ({"includeSloInfos": True}, MetadataOptions, " Did you mean 'include_slo_info'?"),
        ({"latencyBudget": 100}, RequestOptions, " Did you mean 'latency_budget_ms'?"),
        ({7: True}, RequestOptions, "RequestOptions has no option '7'."),
        ({"includeNames": True, "include_names": False}, MetadataOptions, "'include_names' in both spellings"),
        ({"latencyBudgetMs": 50}, RequestOptions, "at least 100"),
        ([], MetadataOptions, "Cannot use '[]' as MetadataOptions: pass MetadataOptions(...) or a dict."),
        (RequestOptions(), MetadataOptions, "as MetadataOptions: pass MetadataOptions(...) or a dict."),
        ("include_names", MetadataOptions, "Cannot use 'include_names' as MetadataOptions"),
    ],
    ids=repr,
)
def test_unusable_options_are_refused_with_a_hint(given: Any, kind: Any, words: str) -> None:
    """An unknown option is named as it was written, beside the names there are and the closest one."""
    with pytest.raises(InputError) as caught:
        options_from(given, kind)

    assert words in str(caught.value)
