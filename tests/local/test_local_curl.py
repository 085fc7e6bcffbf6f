"""The lines that the documents print, run by the real curl against the embedded server.

Only the host and the key are changed. The copy of the pages that these lines were taken from has lost the
indentation of continued lines, without which a shell would glue ``-H`` to the address; here it is back.
"""

import json
import os
import subprocess

import pytest
from programs import program

from tecton_nb.wire.exposition import parse_exposition

FEATURES = """
$ curl -X POST https://<your_cluster>.tecton.ai/api/v1/feature-service/get-features\\
    -H "Authorization: Tecton-key $TECTON_API_KEY" -d\\
'{
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
}'
"""
FEATURES_WITH_METADATA = """
$ curl -X POST https://<your_cluster>.tecton.ai/api/v1/feature-service/get-features\\
    -H "Authorization: Tecton-key $TECTON_API_KEY" -d\\
'{
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
}'
"""
METRICS = """
curl -H "Authorization: Tecton-key $TECTON_API_KEY" https://$INSTANCE.tecton.ai/api/v1/observability/metrics
"""
PRINTED_FEATURES = [
    {
        "name": "transaction_amount_is_high.transaction_amount_is_high",
        "dataType": {"type": "int64"},
        "status": "PRESENT",
    },
    {
        "name": "transaction_amount_is_higher_than_average.transaction_amount_is_higher_than_average",
        "dataType": {"type": "int64"},
        "status": "PRESENT",
    },
    {
        "name": "last_transaction_amount_sql.amount",
        "effectiveTime": "2021-08-21T01:23:58.996Z",
        "dataType": {"type": "float64"},
        "status": "PRESENT",
    },
]
# The API reference prints bodies and the way to send them, no curl line.
REFERENCE = """
curl -X POST https://<your_cluster>.tecton.ai/v1/feature-service/{endpoint} \\
    -H "Authorization: tecton-key $TECTON_API_KEY" -H "Content-Type: application/json" -d '{body}'
"""
GET_FEATURES_BODY = """{
  "params": {
    "feature_service_name": "ctr_prediction_service",
    "join_key_map": {
      "ad_id": "5417",
      "user_uuid": "6c423390-9a64-52c8-9bb3-bbb108c74198"
    }
  }
}"""
METADATA_BODY = """{
  "params": {
    "feature_service_name": "ctr_prediction_service"
  }
}"""


@pytest.fixture
def run(demo, tmp_path):
    """Run a printed line in a shell; return the status of the answer and its body."""
    shell, _ = program("bash"), program("curl")
    # What the line itself does not say: no progress meter, the status behind the body, no proxy.
    (tmp_path / ".curlrc").write_text('silent\nmax-time = 20\nnoproxy = "*"\nwrite-out = "\\n%{http_code}"\n')

    def run(line, key=demo.api_key):
        line = line.strip().removeprefix("$ ")
        for host in ("https://<your_cluster>.tecton.ai", "https://$INSTANCE.tecton.ai"):
            line = line.replace(host, demo.url)
        environment = {"PATH": os.environ["PATH"], "CURL_HOME": str(tmp_path), "TECTON_API_KEY": key}
        done = subprocess.run([shell, "-c", line], env=environment, capture_output=True, timeout=30, check=True)  # noqa: S603
        body, _, status = done.stdout.decode().rpartition("\n")
        return int(status), body

    return run


def test_first_curl_line_of_the_http_api_page_answers_as_printed(run):
    """The first line of the HTTP API page gets the printed vector."""
    status, body = run(FEATURES)

    assert (status, json.loads(body)) == (200, {"result": {"features": ["0", "1", 216409]}})


def test_second_curl_line_of_the_http_api_page_answers_as_printed(run):
    """With all metadata options the printed names, types, statuses and effective time come back, and the SLO."""
    status, body = run(FEATURES_WITH_METADATA)
    answer = json.loads(body)

    assert status == 200
    assert answer["result"] == {"features": ["0", "1", 216409]}
    assert answer["metadata"]["features"] == PRINTED_FEATURES
    assert {"sloEligible", "sloServerTimeSeconds", "dynamodbResponseSizeBytes", "serverTimeSeconds"} <= (
        answer["metadata"]["sloInfo"].keys()
    )


def test_curl_line_of_the_metrics_page_answers_with_metrics(run, demo):
    """The line of the Metrics API page gets a page that names every feature service."""
    status, body = run(METRICS)
    rates = {family.name: family for family in parse_exposition(body)}["feature_service_requests_rate"]

    assert status == 200
    assert {sample.labels["feature_service_name"] for sample in rates.samples} == {
        service.name for service in demo.services if service.workspace == "prod"
    }


@pytest.mark.parametrize("line", [FEATURES, FEATURES_WITH_METADATA, METRICS], ids=["features", "metadata", "metrics"])
def test_printed_line_with_a_wrong_key_is_401(run, line):
    """With a key that the server does not know every printed line is refused."""
    status, body = run(line, key="wrong")

    assert status == 401
    assert "'Tecton-key' authorization header" in json.loads(body)["message"]


def test_printed_bodies_of_the_api_reference_answer(run):
    """The reference's get-features body answers with its value, 15; its metadata body with the printed features."""
    status, body = run(REFERENCE.format(endpoint="get-features", body=GET_FEATURES_BODY))
    described, metadata = run(REFERENCE.format(endpoint="metadata", body=METADATA_BODY))

    assert (status, described) == (200, 200)
    assert 15 in json.loads(body)["result"]["features"]
    assert json.loads(metadata)["featureServiceType"] == "DEFAULT"
    assert [(feature["name"], feature["type"]) for feature in json.loads(metadata)["featureValues"]] == [
        ("ad_ground_truth_ctr_performance_7_days", "float64"),
        ("user_partner_impression_count_7_days", "float64"),
        ("user_total_ad_frequency_counts", "int64"),
    ]


@pytest.mark.parametrize(
    ("endpoint", "params", "said"),
    [
        (
            "get-features",
            {"feature_service_id": "my_feature_service"},
            "Unknown feature_service_id: my_feature_service",
        ),
        (
            "metadata",
            {"feature_service_name": "my_feature_service"},
            "Unknown feature_service_name: my_feature_service for workspace: prod",
        ),
    ],
)
def test_printed_refusals_of_the_api_reference_come_back(run, endpoint, params, said):
    """The reference's two answers with 404 are those of the server, word for word."""
    status, body = run(REFERENCE.format(endpoint=endpoint, body=json.dumps({"params": params})))

    assert (status, json.loads(body)) == (404, {"error": said, "message": said, "code": 5})
