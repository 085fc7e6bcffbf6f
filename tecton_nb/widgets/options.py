"""Switches for what is asked beside the values, and for how the server should answer."""

from __future__ import annotations

from dataclasses import fields
from typing import Any

import ipywidgets
import traitlets

from ..client.core import BATCH_METADATA
from ..exceptions import InputError
from ..wire.options import MetadataOptions, RequestOptions
from .pieces import place, words_html

_METADATA = {
    "include_serving_status": "Serving status",
    "include_effective_times": "Effective times",
    "include_slo_info": "SLO information",
    "include_feature_descriptions": "Descriptions",
    "include_feature_tags": "Tags",
}
_REQUEST = {
    "read_from_cache": "Read from cache",
    "write_to_cache": "Write to cache",
    "ignore_extra_request_context_fields": "Ignore extra context",
    "coerce_null_counts_to_zero": "Null counts are 0",
}
_BUDGET = "latency_budget_ms"
_MOST_DIGITS = 20
# A list cannot hold None as a value of its own: it would look like nothing chosen.
_CHOICES = {"the server's own": None, "yes": True, "no": False}


class OptionSwitches(ipywidgets.VBox):
    """One switch per option.

    Attributes
    ----------
    metadata_options, request_options
        What the switches say; may be set.
    error
        Why one of them cannot be used; empty if all can.
    edits
        How often a switch was used.
    """

    edits = traitlets.Int(0)
    error = traitlets.Unicode("")

    metadata_options = traitlets.Instance(MetadataOptions)
    request_options = traitlets.Instance(RequestOptions)

    def __init__(self) -> None:
        self._metadata = {
            name: ipywidgets.Checkbox(description=words, indent=False) for name, words in _METADATA.items()
        }
        self._request = {name: _request_switch(name, words) for name, words in _REQUEST.items()}
        self._budget = ipywidgets.Text(
            description="Latency budget (ms)", placeholder="none; 100 or more", continuous_update=False
        )
        self._message = place("alert")
        metadata = ipywidgets.HBox(list(self._metadata.values()))
        request = ipywidgets.HBox([*self._request.values(), self._budget])
        for line in (metadata, request):
            line.add_class("tnb-switches")
        super().__init__([metadata, request, self._message])
        self._is_setting = False
        self.set_trait("metadata_options", BATCH_METADATA)
        self.set_trait("request_options", RequestOptions())
        for switch in (*self._metadata.values(), *self._request.values(), self._budget):
            switch.observe(self._switched, "value")

    @traitlets.observe("metadata_options", "request_options")
    def _show(self, change: dict[str, Any]) -> None:
        if self._is_setting:
            return
        self._is_setting = True
        try:
            switches = self._metadata if change["name"] == "metadata_options" else self._request
            for name, switch in switches.items():
                value = getattr(change["new"], name)
                is_list = isinstance(switch, ipywidgets.Dropdown)
                switch.value = next(words for words, own in _CHOICES.items() if own is value) if is_list else value
            if change["name"] == "request_options":
                budget = change["new"].latency_budget_ms
                self._budget.value = "" if budget is None else str(budget)
                self.error = self._message.value = ""
        finally:
            self._is_setting = False

    def _switched(self, change: object) -> None:
        del change
        if self._is_setting:
            return
        self._is_setting = True
        try:
            self.metadata_options = MetadataOptions(**{name: s.value for name, s in self._metadata.items()})
            given = {name: _CHOICES.get(switch.value, switch.value) for name, switch in self._request.items()}
            self.request_options = RequestOptions(**given, **self._budget_given())
            self.error = ""
        except InputError as error:
            self.error = str(error)
        finally:
            self._is_setting = False
        self._message.value = words_html(self.error)
        self.edits += 1

    def _budget_given(self) -> dict[str, Any]:
        text = self._budget.value.strip()
        # More digits than Python reads as a number are no budget either.
        is_number = text.isdecimal() and len(text) <= _MOST_DIGITS
        return {_BUDGET: int(text) if is_number else text} if text else {}


def _request_switch(name: str, words: str) -> Any:
    default = next(item.default for item in fields(RequestOptions) if item.name == name)
    if default is None:
        return ipywidgets.Dropdown(description=words, options=list(_CHOICES))
    return ipywidgets.Checkbox(description=words, indent=False, value=default)
