"""Alert rules for Prometheus from an objective: multi-window burn rates of what is certainly bad."""

from __future__ import annotations

import hashlib
import re
from collections.abc import Sequence
from typing import Any

from ...exceptions import shown
from ..slo.ladder import ERRORS, LATENCY, RATE, TOTAL_RATE
from ..slo.objective import BURN_RATE_POLICY, BurnRate, Objective
from .source import INTERVAL, dumped

_RUNGS = (0.5, 0.9, 0.95, 0.99)
_BY = "feature_service_id, feature_service_name"
_BAD, _ALL = "tecton_slo:bad:rate", "tecton_slo:all:rate"
_FAILED = 'status=~"5.."'
_PAGES = 2


def rules(objective: Objective, *, policy: Sequence[BurnRate] = BURN_RATE_POLICY, percent_of: float = 100.0) -> str:
    """Return a rule file for Prometheus: what is bad and what there is, recorded, and alerts on how fast budget burns.

    Latency counts as bad only what is certain from the ladder of quantiles, so an alert never fires by rounding.
    Rules that mean nothing for the objective are left out, and the comment at the head says why: a burn rate out of
    reach or below 1, or a window longer than the objective's.

    Parameters
    ----------
    objective
        Its method decides how requests and slices are weighed, as in `metrics.slo`.
    policy
        Pairs of windows; the first two page somebody, the others make a ticket.
    percent_of
        What error rates count up to: 100, or 1 for a server that states shares.
    """
    labels = {"objective": _slug(objective.name)}
    bad, requests = _availability(objective, percent_of) if objective.kind == "availability" else _latency(objective)
    part, whole = _weighed(objective, bad, requests)
    recorded = [{"record": name, "expr": expr, "labels": {**labels}} for name, expr in ((_BAD, part), (_ALL, whole))]
    fitting = [rule for rule in policy if not rule.misfit(objective)]
    alerts = [_alert(rule, objective, labels, place < _PAGES) for place, rule in enumerate(fitting)]
    left_out = [
        f"\nLeft out is the rule of {rule.long} and {rule.short}: {rule.misfit(objective)}."
        for rule in policy
        if rule not in fitting
    ]
    group = {"name": f"tecton-slo-{labels['objective']}", "interval": INTERVAL, "rules": [*recorded, *alerts]}
    return dumped(
        f"Prometheus rules: {_comment(objective.name)}, counted by {objective.method}.\n"
        "The metrics are taken over five minutes, so a window of five minutes is a single observation."
        + "".join(left_out),
        {"groups": [group]},
    )


def _availability(objective: Objective, percent_of: float) -> tuple[str, str]:
    """Return the share that is bad, and the rate of requests that count."""
    whole, requests = f"{percent_of:g}", f"sum({TOTAL_RATE})"
    # A server that never failed has no such series; its rate of requests says that it is there.
    none = f"0 * {requests}"

    def rate(statuses: str) -> str:
        # One NaN would be the sum of every window that it is in.
        return f"(sum({ERRORS}{{{statuses}}} >= 0) or {none})"

    if objective.timeouts == "count":
        return f"{rate(_FAILED)} / {whole}", requests
    # What does not count is taken out of the share and of its weight alike; of nothing else there is no share.
    counted = f"""clamp_min({whole} - {rate('status="504"')}, 0)"""
    return f"""{rate(f'{_FAILED},status!="504"')} / ({counted} > 0)""", f"{requests} * {counted} / {whole}"


def _latency(objective: Objective) -> tuple[str, str]:
    rungs = (
        f'({LATENCY}{{quantile=~"{rung:g}0*"}} > bool {objective.threshold_seconds:g}) * {1 - rung:.6g}'
        for rung in _RUNGS
    )
    return f"max by ({_BY}) ({' or '.join(rungs)})", f"sum by ({_BY}) ({RATE})"


def _weighed(objective: Objective, bad: str, requests: str) -> tuple[str, str]:
    """Return how much is bad and how much there is, each as one number."""
    if objective.method == "occurrences":
        return f"sum(({bad}) * ({requests}))", f"sum({requests})"
    if objective.method == "timeslices":
        bad = f"({bad}) > bool {1 - (objective.slice_target or 0.0):.6g}"
    return f"sum(({bad}) and (({requests}) > 0))", f"count(({requests}) > 0)"


def _alert(rule: BurnRate, objective: Objective, labels: dict[str, str], is_page: bool) -> dict[str, Any]:
    factor = rule.factor(objective)
    selector = f'{{objective="{labels["objective"]}"}}'

    def burns(window: str) -> str:
        share = f"sum_over_time({_BAD}{selector}[{window}]) / sum_over_time({_ALL}{selector}[{window}])"
        return f"{share} >= {factor * objective.error_budget:.6g}"

    return {
        "alert": "TectonErrorBudgetBurn",
        "expr": f"({burns(rule.long)}) and ({burns(rule.short)})",
        "labels": {**labels, "severity": "page" if is_page else "ticket", "long_window": rule.long},
        "annotations": {
            "summary": f"{_untemplated(objective.name)}: in the last {rule.long} and {rule.short} its error budget "
            f"burned {factor:g} times as fast as allowed, or faster (method: {objective.method})."
        },
    }


def _slug(name: str) -> str:
    """Return the name as a label in small Latin letters, with a hash where it has other letters or none."""
    slug = re.sub("[^a-z0-9.]+", "-", name.lower()).strip("-")
    if name.isascii() and slug:
        return slug
    return f"{slug}-{hashlib.sha256(name.encode('utf-8', 'surrogatepass')).hexdigest()[:8]}".strip("-")


def _untemplated(text: str) -> str:
    # Prometheus reads annotations as templates.
    return text.replace("{{", '{{ "{{" }}')


def _comment(text: str) -> str:
    return shown(text, 200)
