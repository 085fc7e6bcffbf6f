"""What a client shows of itself: whom it asks, as whom and how, and the services it knows. Nothing is asked for it."""

from __future__ import annotations

from collections.abc import Iterator

from ..reprs import Card, Kind, Status, human_seconds
from ..reprs.sections import schema_section
from .core import ClientCore
from .drive import MAX_IN_FLIGHT, AsyncDriver, Driver

_SERVICES = ("name", "workspace", "type", "inputs", "features", "known from")


def client_card(name: str, client: object) -> Card:
    """Return the card of a client of that name; a traceback may hold one whose constructor failed."""
    core, driver = getattr(client, "_core", None), getattr(client, "_driver", None)
    if not isinstance(core, ClientCore) or not isinstance(driver, Driver | AsyncDriver):
        return Card(name, Status("that could not be made", Kind.BAD))
    rows = [*_used(core), *_given(core)]
    known = schema_section("Feature services known", _SERVICES, rows)
    if rows:
        return Card(name, str(core.connection.address), _facts(core, driver), (known,))
    hint = ("services", "none known yet; feature_services() asks the server")
    return Card(name, str(core.connection.address), (*_facts(core, driver), hint))


def _facts(core: ClientCore, driver: Driver | AsyncDriver) -> tuple[tuple[str, object], ...]:
    key, deadline = core.connection.key, human_seconds(core.deadline_seconds)
    own = f"its own engine, up to {MAX_IN_FLIGHT} single requests at once"
    no_key = "none; your httpx client authenticates" if driver.is_borrowed else Status("none", Kind.UNSURE)
    return (
        ("workspace", core.default_workspace_name or Status("none; name one in each call", Kind.UNSURE)),
        ("API key", no_key if key is None else key.source),
        ("deadline", f"{deadline} a request{', or the time-outs of your httpx client' if driver.is_borrowed else ''}"),
        ("sends through", "your httpx client, as it is" if driver.is_borrowed else own),
        ("state", Status("closed", Kind.BAD) if driver.is_closed else Status("open", Kind.GOOD)),
    )


def _used(core: ClientCore) -> Iterator[tuple[object, ...]]:
    # A list first: another thread may add a service meanwhile.
    for locator, metadata in list(core.metadata.items()):
        inputs = len(metadata.input_join_keys) + len(metadata.input_request_context_keys)
        kind, features = metadata.feature_service_type, len(metadata.feature_values)
        yield locator.value, locator.workspace_name, kind, inputs, features, "use"


def _given(core: ClientCore) -> Iterator[tuple[object, ...]]:
    used = set(core.used_names())
    for name in core.given_names:
        if name not in used:
            yield name, core.default_workspace_name or "—", "not read yet", "—", "—", "profile"
