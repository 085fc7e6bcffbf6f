"""The panel of a metrics history: the package's own pictures, and nothing that is not there."""

import pandas as pd
import pytest

from tecton_nb.exceptions import InputError
from tecton_nb.widgets import MetricsPanel
from tecton_nb.widgets import metrics_panel as module

WAIT = 20


class Samples:
    """A metrics history with two series of one metric."""

    def families(self):
        """Return the metrics there are."""
        return pd.DataFrame({"metric": ["requests_rate", "latency"]})

    def frame(self, metric, since=None, until=None, **labels):
        """Return the samples of a metric."""
        times = pd.date_range("2024-05-01T10:00", periods=6, freq="30min", tz="UTC")
        parts = [
            pd.DataFrame({"timestamp": times, "metric": metric, "value": range(6), "service": name})
            for name in ("_a", "$b$")
        ]
        found = pd.concat(parts, ignore_index=True)
        for name, value in labels.items():
            found = found[found[name] == value]
        return found


def test_metrics_panel_draws_what_is_chosen():
    """Metric, labels and window choose the samples; the picture is a PNG and a sentence says what is in it."""
    panel = MetricsPanel(Samples())
    panel.wait(WAIT)
    every = len(panel.frame)

    panel.children[0].children[1].value = "service=_a"
    panel.children[0].children[2].value = "last hour"
    panel.wait(WAIT)

    assert every == 12
    assert panel.frame["service"].unique().tolist() == ["_a"]
    assert len(panel.frame) == 2
    assert bytes(panel._picture.value).startswith(b"\x89PNG")
    assert "requests_rate: 2 samples. requests_rate over time (requests per second): from 4 to 5" in panel._said.value
    assert "Newest samples" in panel._repr_mimebundle_()["text/html"]


def test_metrics_panel_tells_a_filter_it_cannot_read():
    """A filter that is no name=value is told in the panel."""
    panel = MetricsPanel(Samples())

    panel.children[0].children[1].value = "service"
    panel.wait(WAIT)

    assert "Cannot read 'service' as a label." in str(panel.error)


def test_metrics_panel_leaves_no_picture_of_another_choice_below_an_error():
    """After a filter that cannot be read no picture, table or frame of the choice before is left."""
    panel = MetricsPanel(Samples())
    panel.wait(WAIT)

    panel.children[0].children[1].value = "service"
    panel.wait(WAIT)

    assert panel.frame is None
    assert panel._picture.layout.display == "none"
    assert panel._table.value == ""


TIMES = pd.date_range("2024-05-01T10:00", periods=9, freq="1min", tz="UTC").delete([3, 4, 5])


def samples(**columns):
    """Return samples over time with a hole of three minutes."""
    return pd.DataFrame(
        {"timestamp": TIMES, "metric": "requests_rate", "value": [float(n) for n in range(6)], **columns}
    )


@pytest.mark.parametrize(
    ("frame", "picture"),
    [
        (samples(), "plot_metric"),
        (samples(quantile=0.99, feature_service_name="a"), "plot_quantiles"),
        (samples(quantile=0.99, feature_service_name=["a", "b"] * 3), "plot_services"),
        (samples(sample=["count", "bucket"] * 3), "plot_metric"),
    ],
    ids=["gauge", "summary", "summary of two services", "histogram"],
)
def test_metrics_panel_draws_what_the_package_draws(monkeypatch, frame, picture):
    """The picture is that of `plots`, gaps and units included: one for values, others for quantiles and services."""
    drawn = []
    for name in ("plot_metric", "plot_quantiles", "plot_services"):
        monkeypatch.setattr(module, name, noting(getattr(module, name), drawn))

    class History(Samples):
        def frame(self, metric, since=None, until=None, **labels):
            return frame

    panel = MetricsPanel(History())
    panel.wait(WAIT)

    assert panel.error is None
    assert [name for name, _ in drawn] == [picture]


def noting(function, drawn):
    """Return the function, noting its name and the axes it returns."""

    def noted(*arguments, **options):
        ax = function(*arguments, **options)
        drawn.append((function.__name__, ax))
        return ax

    return noted


def test_metrics_panel_shows_a_gap_and_never_bridges_it(monkeypatch):
    """Where no samples came for a while the line breaks: nobody sees values that nobody measured."""
    drawn = []
    monkeypatch.setattr(module, "plot_metric", noting(module.plot_metric, drawn))

    class History(Samples):
        def frame(self, metric, since=None, until=None, **labels):
            return samples()

    MetricsPanel(History()).wait(WAIT)
    (line,) = drawn[0][1].get_lines()

    assert pd.isna(pd.Series(line.get_ydata(), dtype=float)).sum() == 1


@pytest.mark.parametrize("name", ["metric", "since", "until", "self"])
def test_label_with_the_name_of_an_argument_is_refused_in_words(name):
    """A label whose name means something else to the history is no filter, and the panel says so."""
    panel = MetricsPanel(Samples())
    panel.wait(WAIT)

    panel._filter.value = f"{name}=2024"
    panel.wait(WAIT)

    assert isinstance(panel.error, InputError)
    assert f"Cannot filter by the label '{name}'" in str(panel.error)
