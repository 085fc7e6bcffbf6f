"""When a call was started is known of every call that was answered."""


def test_calls_tell_when_they_were_started(client):
    """started_at of a batch's calls is a moment, not a gap, and no later than the end of the run."""
    service = client.feature_service("fraud_detection_feature_service")

    calls = service.get_features_batch(service.example_rows(2), progress=False).calls()

    assert calls["started_at"].notna().all()
    assert str(calls["started_at"].dtype) == "datetime64[ns, UTC]"
