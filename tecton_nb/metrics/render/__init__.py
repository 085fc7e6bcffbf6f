"""Configurations of monitoring agents for Tecton's Metrics API, and alert rules: YAML as text.

The API key is never written, only where the agent finds it: a file, or a variable of its environment.
"""

from __future__ import annotations

from .agents import datadog, otel, prometheus, signalfx
from .rules import rules

__all__ = ["datadog", "otel", "prometheus", "rules", "signalfx"]
