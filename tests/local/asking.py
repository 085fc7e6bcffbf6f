"""Asking an embedded server over HTTP, with the standard library only."""

import json
import urllib.error
import urllib.request
from typing import Any


def asked(url: str, key: str, service: str, join_keys: dict[str, Any], **params: Any) -> tuple[int, Any]:
    """Return the status and the body of a get-features call."""
    body = {"params": {"featureServiceName": service, "joinKeyMap": join_keys, **params}}
    request = urllib.request.Request(  # noqa: S310  # the address is our own
        f"{url}/api/v1/feature-service/get-features",
        data=json.dumps(body).encode(),
        headers={"Authorization": f"Tecton-key {key}"},
    )
    try:
        with urllib.request.urlopen(request, timeout=10) as answer:  # noqa: S310
            return answer.status, json.loads(answer.read())
    except urllib.error.HTTPError as error:
        with error:
            return error.code, json.loads(error.read())


def features_of(server: Any, service: str, join_keys: dict[str, Any], **params: Any) -> Any:
    """Return the feature vector that a server in this process gives to its own key."""
    status, body = asked(server.url, server.api_key, service, join_keys, **params)
    assert status == 200, body
    return body["result"]["features"]
