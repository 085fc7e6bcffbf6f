"""The panel of a comparison says what the comparison says: also of rows on one side, and of cells without an answer."""

import pandas as pd
import pytest

import tecton_nb as tnb
from tecton_nb.widgets import ComparePanel

WAIT = 20
LEFT = pd.DataFrame({"v.a": [1.5, 2.0, 3.0], "v.b": [1, 2, 3]})
OTHER = LEFT.assign(**{"v.b": 0})


def panel_of(left, right):
    """Return a panel whose comparison is done."""
    panel = ComparePanel(left, right)
    assert panel.wait(WAIT)
    return panel


def test_rows_on_one_side_are_counted():
    """Of two tables with other rows it is told which side has how many more."""
    panel = panel_of(LEFT, LEFT.iloc[1:])

    assert "2 cells differ in 2 of 2 features. Rows on the left only: 1." in panel._said.value


@pytest.mark.parametrize(("right", "said"), [(LEFT, "✓ equal"), (OTHER, "✗ 1 of 2 features differ")])
def test_verdict_is_that_of_the_comparison_with_its_sign(right, said):
    """The first words are the verdict of the comparison's own card; its static twin has them, too."""
    panel = panel_of(LEFT, right)

    assert panel._said.value.partition(">")[2].startswith(said)
    assert said in repr(panel)


def test_cells_without_an_answer_leave_it_open(client):
    """A batch with a row that failed is not called equal to itself."""
    service = client.feature_service("ctr_prediction_service")
    batch = service.get_features_batch([{"user_uuid": "u", "ad_id": 1}, {"user_uuid": "u", "ad_id": "x"}])

    panel = panel_of(batch, batch)

    assert not tnb.compare_features(batch, batch).equal
    assert "? not equal: some cells have no answer" in panel._said.value
