"""Choose a feature service: from those that are known of, or by typing its name."""

from __future__ import annotations

import threading
from collections.abc import Sequence

import ipywidgets
import pandas as pd
import traitlets

from ..client.service import FeatureService
from ..client.sync import TectonClient
from ..exceptions import quoted
from ..reprs import Card, frame_section
from .background import Latest
from .pieces import Panel, error_html, place, words_html


class ServicePicker(Panel):
    """Fields for a feature service and its workspace; what is chosen is looked up while the kernel goes on.

    Parameters
    ----------
    client
        Whose services they are.

    Attributes
    ----------
    service
        The `FeatureService` that is chosen; `None` before, and where there is none of the name.
    services
        The services that are known of, as ``client.feature_services()`` has them; `None` before they are.
    error
        Why there is no service, or no list of them.
    """

    service = traitlets.Any(allow_none=True)
    services = traitlets.Any(allow_none=True)
    error = traitlets.Any(allow_none=True)

    def __init__(self, client: TectonClient) -> None:
        self._client = client
        self._lock = threading.RLock()
        self._listing, self._finding = Latest(self._lock), Latest(self._lock)
        self._is_choosing = False
        self._name = ipywidgets.Combobox(
            description="Feature service", placeholder="choose, or type a name", continuous_update=False
        )
        self._workspace = ipywidgets.Text(
            description="Workspace", placeholder="the client's own", continuous_update=False
        )
        self._said, self._refused = place("status"), place("alert")
        line = ipywidgets.HBox([self._name, self._workspace])
        line.add_class("tnb-line")
        super().__init__([line, self._said, self._refused], label="Choice of a feature service")
        for control in (self._name, self._workspace):
            control.observe(self._changed, "value")
        self.refresh()

    @property
    def name(self) -> str:
        """Name as it stands in the field."""
        return str(self._name.value)

    @property
    def workspace(self) -> str:
        """Workspace as it stands in the field; empty for the client's own."""
        return str(self._workspace.value)

    def refresh(self) -> None:
        """Look again which services there are."""
        self._said.value = words_html("Looking for feature services …")
        self._listing.start(self._client.feature_services, self._listed, self._not_listed)

    def choose(self, name: str, workspace: str = "") -> None:
        """Choose a service by name; in the client's own workspace if none is named."""
        self._is_choosing = True
        try:
            self._name.value, self._workspace.value = name, workspace
        finally:
            self._is_choosing = False
        self._find()

    def wait(self, timeout_seconds: float | None = None) -> bool:
        """Wait until what was asked for is there; whether that came in time."""
        return self._listing.wait(timeout_seconds) and self._finding.wait(timeout_seconds)

    def _changed(self, change: object) -> None:
        del change
        if not self._is_choosing:
            self._find()

    def _find(self) -> None:
        name, workspace = self.name.strip(), self.workspace.strip() or None
        if not name:
            self._finding.drop()
            self._show(None, None, "")
            return
        self._said.value = words_html(f"Looking for {quoted(name)} …")
        self._finding.start(
            lambda: self._client.feature_service(name, workspace_name=workspace),
            lambda found: self._show(found, None, _found_words(found)),
            lambda error: self._show(None, error, ""),
        )

    def _show(self, service: FeatureService | None, error: Exception | None, words: str) -> None:
        self._said.value = words_html(words)
        self._refused.value = error_html(error) if error is not None else ""
        self.error = error
        self.service = service

    def _listed(self, services: pd.DataFrame) -> None:
        self._name.options = tuple(services["name"])
        if not self.name:
            count = "1 feature service is" if len(services) == 1 else f"{len(services):,} feature services are"
            self._said.value = words_html(f"{count} known. Choose one, or type a name.")
        self.services = services

    def _not_listed(self, error: Exception) -> None:
        # A name can be typed without a list.
        if not self.name:
            self._said.value = words_html(f"No feature service is known; type a name. {error}")
        self.error = error

    def _card(self) -> Card:
        facts = (("chosen", self.name or "none"), ("workspace", self.workspace or "the client's own"))
        if self.services is None:
            return Card("ServicePicker", "", facts)
        section = frame_section("Feature services", self.services.columns, self.services.itertuples(index=False))
        return Card("ServicePicker", "", facts, (section,))


def _found_words(service: FeatureService) -> str:
    metadata = service.metadata
    parts = (
        _counted(metadata.input_join_keys, "join key"),
        _counted(metadata.input_request_context_keys, "request context key"),
        _counted(metadata.feature_values, "feature"),
    )
    kind = " It returns many rows per request." if service.is_wildcard else ""
    return f"{service.name} in workspace {service.workspace_name}: {', '.join(parts)}.{kind}"


def _counted(items: Sequence[object] | None, word: str) -> str:
    count = len(items or ())
    return f"1 {word}" if count == 1 else f"{count:,} {word}s"
