"""The feature services that Tecton's documents print, with seeded data.

The HTTP API page asks `fraud_detection_feature_service` for user ``C1000262126`` and prints
``["0", "1", 216409]``; the client's page asks ``fraud_detection_feature_service:v2`` for
``user_4407104885``; the API reference asks `ctr_prediction_service`. All of them answer here.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np
import pandas as pd

from ...wire.types import FLOAT64, INT64, STRING
from ..definitions.views import (
    AggregatedView,
    Aggregation,
    BatchView,
    Definitions,
    Feature,
    FeatureService,
    Field,
    RealtimeView,
)

PRINTED_USER = "C1000262126"
PRINTED_USER_OF_V2 = "user_4407104885"
PRINTED_AD = "5417"
PRINTED_AD_USER = "6c423390-9a64-52c8-9bb3-bbb108c74198"
_PRINTED_TIME = "2021-08-21T01:23:58.996Z"
_HIGH_AMOUNT = 10_000.0
_USERS = 300
_ADS = 40
_FRAUD_TAGS = {"owner": "fraud-team"}
_CTR_TAGS = {"owner": "ads-team"}
_USER = (Field("user_id", STRING),)
_AMOUNT = (Field("amount", FLOAT64),)


def _amount_is_high(context: Mapping[str, Any], _: Mapping[str, Any]) -> dict[str, int]:
    return {"transaction_amount_is_high": int((context["amount"] or 0.0) > _HIGH_AMOUNT)}


def _amount_is_higher_than_average(context: Mapping[str, Any], features: Mapping[str, Any]) -> dict[str, int]:
    average = features["user_transaction_metrics.amount_mean_1d_1h"] or 0.0
    return {"transaction_amount_is_higher_than_average": int((context["amount"] or 0.0) > average)}


def _metrics_view() -> AggregatedView:
    aggregations = (
        Aggregation("amount", "mean", "1d", "Mean amount of the user's transactions of a day.", _FRAUD_TAGS),
        Aggregation("amount", "mean", "30d", "Mean amount of the user's transactions of 30 days.", _FRAUD_TAGS),
        Aggregation("amount", "max", "30d", "Largest amount of 30 days.", _FRAUD_TAGS),
        Aggregation("amount", "count", "1d", "Number of transactions of a day.", _FRAUD_TAGS),
        Aggregation("amount", "count", "30d", "Number of transactions of 30 days.", _FRAUD_TAGS),
    )
    return AggregatedView("user_transaction_metrics", _USER, aggregations, interval="1h")


def _fraud_views() -> tuple[RealtimeView | AggregatedView | BatchView, ...]:
    is_high = Feature("transaction_amount_is_high", INT64, "1 if the amount is above 10,000.", _FRAUD_TAGS)
    is_higher = Feature(
        "transaction_amount_is_higher_than_average",
        INT64,
        "1 if the amount is above the user's mean of the last day (0 without transactions).",
        _FRAUD_TAGS,
    )
    amount = Feature("amount", FLOAT64, "Amount of the user's last transaction.", _FRAUD_TAGS)
    return (
        RealtimeView("transaction_amount_is_high", (is_high,), _amount_is_high, _AMOUNT),
        RealtimeView(
            "transaction_amount_is_higher_than_average",
            (is_higher,),
            _amount_is_higher_than_average,
            _AMOUNT,
            sources=("user_transaction_metrics",),
        ),
        BatchView("last_transaction_amount_sql", _USER, (amount,)),
        _metrics_view(),
    )


def _ctr_view(name: str, keys: tuple[str, ...], feature: Feature) -> BatchView:
    return BatchView(name, tuple(Field(key, STRING) for key in keys), (feature,), namespace="")


def _ctr_views() -> tuple[BatchView, ...]:
    performance = "ad_ground_truth_ctr_performance_7_days"
    impressions = "user_partner_impression_count_7_days"
    frequency = "user_total_ad_frequency_counts"
    return (
        _ctr_view(performance, ("ad_id",), Feature(performance, FLOAT64, "Clicks per impression.", _CTR_TAGS)),
        _ctr_view(impressions, ("user_uuid",), Feature(impressions, FLOAT64, "Impressions of a week.", _CTR_TAGS)),
        _ctr_view(
            frequency, ("user_uuid", "ad_id"), Feature(frequency, INT64, "How often the user saw the ad.", _CTR_TAGS)
        ),
    )


def documented_definitions() -> Definitions:
    """Return the views and services that the documents print."""
    fraud, ctr = _fraud_views(), _ctr_views()
    printed = tuple(view.name for view in fraud[:3])
    return Definitions(
        views=(*fraud, *ctr),
        services=(
            FeatureService("fraud_detection_feature_service", printed, description="As the HTTP API page prints it."),
            FeatureService("fraud_detection_feature_service:v2", tuple(view.name for view in fraud)),
            FeatureService("ctr_prediction_service", tuple(view.name for view in ctr)),
        ),
    )


def documented_data(now: pd.Timestamp, seed: int) -> dict[str, pd.DataFrame]:
    """Return the data of the stored views, by view name.

    Parameters
    ----------
    now
        Where the seeded transactions end; the printed user's one lies where the document has it.
    seed
        Any whole number; the printed values do not depend on it.
    """
    random = np.random.default_rng(seed)
    return {**_transactions(now, random), **_advertising(now, random)}


def documented_examples(data: Mapping[str, pd.DataFrame]) -> dict[str, pd.DataFrame]:
    """Return input rows by service name, the printed ones first."""
    users = data["last_transaction_amount_sql"]["user_id"]
    fraud = pd.DataFrame(
        {"user_id": users, "amount": [100.0, 500.0, *np.linspace(20, 12_000, len(users) - 2).round(2)]}
    )
    seen = data["user_total_ad_frequency_counts"]
    return {
        "fraud_detection_feature_service": fraud,
        "fraud_detection_feature_service:v2": fraud.iloc[[1, 0, *range(2, len(fraud))]],
        "ctr_prediction_service": seen[["ad_id", "user_uuid"]],
    }


def _transactions(now: pd.Timestamp, random: np.random.Generator) -> dict[str, pd.DataFrame]:
    users = [PRINTED_USER_OF_V2, *(f"user_{number}" for number in random.integers(10**9, 10**10, _USERS))]
    size = 60 * len(users)
    events = pd.DataFrame(
        {
            "user_id": np.array(users)[np.arange(size) % len(users)],
            "amount": random.lognormal(4.0, 1.2, size).round(2),
            "timestamp": now - pd.to_timedelta(random.integers(60, 60 * 86_400, size), unit="s"),
        }
    )
    last = events.sort_values("timestamp").drop_duplicates("user_id", keep="last").set_index("user_id").loc[users]
    printed = pd.DataFrame(
        {"user_id": [PRINTED_USER], "amount": [216409.0], "timestamp": [pd.Timestamp(_PRINTED_TIME)]}
    )
    return {
        "user_transaction_metrics": events,
        "last_transaction_amount_sql": pd.concat([printed, last.reset_index()], ignore_index=True),
    }


def _advertising(now: pd.Timestamp, random: np.random.Generator) -> dict[str, pd.DataFrame]:
    ads = [PRINTED_AD, *(str(number) for number in random.integers(1_000, 10_000, _ADS))]
    users = [PRINTED_AD_USER, *(_uuid(random) for _ in range(_USERS))]
    # The document's answer holds one value, 15.
    impressions = [15.0, *random.poisson(20, _USERS).astype(float)]
    pairs = pd.DataFrame({"user_uuid": users, "ad_id": [ads[i % len(ads)] for i in range(len(users))]})
    midnight = now.floor("D")
    return {
        "ad_ground_truth_ctr_performance_7_days": pd.DataFrame(
            {
                "ad_id": ads,
                "ad_ground_truth_ctr_performance_7_days": random.beta(2, 60, len(ads)).round(4),
                "timestamp": midnight,
            }
        ).drop_duplicates("ad_id"),
        "user_partner_impression_count_7_days": pd.DataFrame(
            {"user_uuid": users, "user_partner_impression_count_7_days": impressions, "timestamp": midnight}
        ),
        "user_total_ad_frequency_counts": pairs.assign(
            user_total_ad_frequency_counts=random.poisson(3, len(users)), timestamp=midnight
        ),
    }


def _uuid(random: np.random.Generator) -> str:
    digits = random.bytes(16).hex()
    return "-".join((digits[:8], digits[8:12], f"4{digits[13:16]}", f"8{digits[17:20]}", digits[20:]))
