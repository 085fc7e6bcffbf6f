"""The asynchronous twins return what the synchronous ones return."""

from __future__ import annotations

import asyncio

import httpx
import pandas as pd
import pytest
from canned import KEY, Reply, typed, vector

import tecton_nb as tnb
from tecton_nb.exceptions import InputError, InternalServerError, NotFoundError

FRAUD = "fraud_detection_feature_service"
ECHO = [typed("v.text", "string")]


@pytest.fixture
async def twin(demo):
    """An asynchronous client of the demo server."""
    async with tnb.AsyncTectonClient(demo.url, demo.api_key, "prod") as client:
        yield client


def _plan(request):
    if request.url.path.endswith("metadata"):
        return httpx.Response(200, json={"inputJoinKeys": [typed("k", "string")], "featureValues": ECHO})
    key = request.content.decode().split('"k":"')[1].split('"')[0]
    return httpx.Response(500 if key == "bad" else 200, json=vector([key], *ECHO))


async def test_frames_are_the_synchronous_ones(twin, client):
    """Values, statuses and times of a batch are the same both ways."""
    service, sync = await twin.feature_service(FRAUD), client.feature_service(FRAUD)
    rows = sync.example_rows(5)

    batch, expected = await service.get_features_batch(rows), sync.get_features_batch(rows)

    pd.testing.assert_frame_equal(await service.get_features(rows), sync.get_features(rows))
    pd.testing.assert_frame_equal(batch.to_pandas(), expected.to_pandas())
    pd.testing.assert_frame_equal(batch.statuses(), expected.statuses())
    pd.testing.assert_frame_equal(batch.effective_times(), expected.effective_times())
    pd.testing.assert_frame_equal(await service.features(), sync.features())
    pd.testing.assert_frame_equal(service.inputs(), sync.inputs())
    pd.testing.assert_frame_equal(await service.details(dict(rows.iloc[0])), sync.details(dict(rows.iloc[0])))
    assert twin.url == client.url


async def test_client_s_other_methods_have_twins(twin, client):
    """Batch by name, query, metadata, metrics and the list of services are there as coroutines."""
    rows = client.feature_service(FRAUD).example_rows(2)
    origin = {"origin": "EWR"}

    batch = await twin.get_features_batch(feature_service_name=FRAUD, rows=rows)
    query = await twin.query_features(feature_service_name="origin_carriers_service", join_key_map=origin)
    keys = await (await twin.feature_service("origin_carriers_service")).query_features(origin)
    metadata = await twin.get_feature_service_metadata(feature_service_name=FRAUD)

    assert len(batch) == 2
    assert len(query.to_pandas()) == len(keys)
    assert metadata == client.get_feature_service_metadata(feature_service_name=FRAUD)
    assert len((await twin.get_metrics()).to_pandas()) > 0
    assert FRAUD in (await twin.feature_services())["name"].tolist()


async def test_errors_are_the_synchronous_ones(twin):
    """Unknown services and rows that cannot be sent raise as in the synchronous client."""
    with pytest.raises(NotFoundError, match=f"Did you mean '{FRAUD}'"):
        await twin.feature_service(FRAUD + "s")
    service = await twin.feature_service(FRAUD)
    with pytest.raises(InputError, match="The rows lack the join key 'user_id'"):
        await service.get_features({"amount": 1})


async def test_requests_run_side_by_side(twin):
    """Many awaited calls share one client."""
    calls = [
        twin.get_features(feature_service_name=FRAUD, join_key_map={"user_id": "u"}, request_context_map={"amount": n})
        for n in (1, 20_000)
    ]

    small, large = await asyncio.gather(*calls)

    assert [response.result.features[0] for response in (small, large)] == ["0", "1"]


async def test_bulk_through_the_user_s_own_async_client():
    """A user's httpx.AsyncClient carries single and bulk calls, keeps order and gives one error per failed row."""
    async with httpx.AsyncClient(transport=httpx.MockTransport(_plan)) as own:
        client = tnb.AsyncTectonClient("https://x.tecton.ai", KEY, "prod", own)
        service = await client.feature_service("s")
        batch = await service.get_features_batch([{"k": "a"}, {"k": "bad"}, {"k": "c"}])
        with pytest.raises(InternalServerError):
            await service.get_features({"k": "bad"})
        await client.close()
        assert not own.is_closed

    assert batch.to_pandas()["v.text"].tolist() == ["a", pd.NA, "c"]
    assert batch.errors()["exception"].tolist() == ["InternalServerError"]
    assert "Authorization" not in own.headers


def test_bulk_through_the_user_s_own_client():
    """A user's httpx.Client carries single and bulk calls as it is."""
    with httpx.Client(transport=httpx.MockTransport(_plan)) as own:
        client = tnb.TectonClient("https://x.tecton.ai", KEY, "prod", own)
        service = client.feature_service("s")
        batch = service.get_features_batch([{"k": f"row {i}"} for i in range(50)] + [{"k": "bad"}])
        client.close()
        assert not own.is_closed

    assert batch.to_pandas()["v.text"].tolist() == [*(f"row {i}" for i in range(50)), pd.NA]
    assert batch.errors()["exception"].to_dict() == {50: "InternalServerError"}
    assert batch.calls()["client_time_seconds"].notna().all()


async def test_deadline_holds_through_the_user_s_own_async_client():
    """A request of the user's httpx.AsyncClient that never ends fails its row after the deadline."""

    async def plan(request: httpx.Request) -> httpx.Response:
        if b"never" in request.content:
            await asyncio.Event().wait()
        return _plan(request)

    async with httpx.AsyncClient(transport=httpx.MockTransport(plan)) as own:
        service = await tnb.AsyncTectonClient("https://x.tecton.ai", KEY, "prod", own).feature_service("s")
        batch = await service.get_features_batch([{"k": "a"}, {"k": "never"}], deadline_seconds=0.2)

    assert batch.errors()["message"].to_dict() == {1: "No complete answer within 0.2 s."}
    assert batch.to_pandas()["v.text"][0] == "a"


async def test_request_cancelled_by_somebody_else_costs_its_row_only():
    """A task of the user's client that is cancelled elsewhere fails its row; the run goes on and ends."""

    def plan(request: httpx.Request) -> httpx.Response:
        if b'"bad"' in request.content:
            raise asyncio.CancelledError
        return _plan(request)

    async with httpx.AsyncClient(transport=httpx.MockTransport(plan)) as own:
        client = tnb.AsyncTectonClient("https://x.tecton.ai", KEY, "prod", client=own)
        service = await client.feature_service("s")
        async with asyncio.timeout(20):
            batch = await service.get_features_batch([{"k": "a"}, {"k": "bad"}, {"k": "c"}])

    assert batch.to_pandas()["v.text"].fillna("none").tolist() == ["a", "none", "c"]
    assert batch.errors()["exception"].tolist() == ["ConnectionFailedError"]
    assert "was cancelled" in batch.errors()["message"].iloc[0]


async def test_cancelled_batch_ends_its_requests(canned):
    """Cancelling the task of a batch returns at once, and the next call works."""
    entered = asyncio.Event()
    loop = asyncio.get_running_loop()

    def plan(asked):
        if asked.operation == "metadata":
            return Reply({"inputJoinKeys": [typed("k", "string")], "featureValues": ECHO})
        if asked.join_keys["k"] == "never":
            loop.call_soon_threadsafe(entered.set)
            return server.silence()
        return Reply(vector(["fine"], *ECHO))

    server = canned(plan)
    async with tnb.AsyncTectonClient(server.url, KEY, "prod", deadline_seconds=60) as client:
        service = await client.feature_service("s")
        task = asyncio.create_task(service.get_features_batch([{"k": "never"}] * 40))
        await entered.wait()
        task.cancel()
        with pytest.raises(asyncio.CancelledError):
            await task
        frame = await service.get_features({"k": "fine"})

    assert frame["v.text"].tolist() == ["fine"]
    assert len([asked for asked in server.asked if asked.operation == "get-features"]) <= 9
