"""The metrics page of the embedded server: Tecton's metrics as the documents of one version list them."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass

from ...wire.catalogue import LATEST, Metric, catalogue
from ...wire.exposition import Family, Sample
from ..definitions.plan import ServicePlan
from .measured_metrics import MEASURED
from .scene import Scene, Source
from .simulated_metrics import SIMULATED
from .simulation import Simulation
from .telemetry import Telemetry

_SOURCES: Mapping[str, Source] = {**MEASURED, **SIMULATED}


@dataclass(frozen=True, slots=True)
class MetricsSettings:
    """Which metrics a server shows.

    Parameters
    ----------
    version
        Of the documents that list them, see ``wire.catalogue.VERSIONS``. The default is what Tecton's users
        see today; it has everything that the older version has.
    seed
        Of the courses that are simulated.

    Raises
    ------
    SettingsError
        If the version is unknown.
    """

    version: str = LATEST
    seed: int = 0

    def __post_init__(self) -> None:
        catalogue(self.version)


class MetricsPage:
    """The page of one server.

    Parameters
    ----------
    settings
        What it shows.
    telemetry
        What the server measured.
    """

    def __init__(self, settings: MetricsSettings, telemetry: Telemetry) -> None:
        self._metrics = catalogue(settings.version)
        self._simulation = Simulation(settings.seed)
        self._telemetry = telemetry

    def families(self, plans: Iterable[ServicePlan], now: int) -> tuple[Family, ...]:
        """Return the families in the order of the documents.

        Parameters
        ----------
        plans
            Of the services that may be named; one without traffic has rate 0 and quantiles NaN, so a scrape
            names every service.
        now
            Nanoseconds since the epoch; the samples carry it in milliseconds.
        """
        scene = Scene(tuple(plans), self._telemetry, self._simulation, now)
        return tuple(_family(metric, scene) for metric in self._metrics)


def _family(metric: Metric, scene: Scene) -> Family:
    stamp = scene.now // 1_000_000
    points = _SOURCES[metric.name](scene)
    samples = tuple(Sample(metric.family + suffix, value, labels, stamp) for suffix, labels, value in points)
    return Family(metric.family, metric.kind, _help(metric), samples)


def _help(metric: Metric) -> str:
    source = ", simulated" if metric.name in SIMULATED else ""
    return f"[{metric.stage}] {metric.help.removesuffix('.')} ({metric.unit}{source})."
