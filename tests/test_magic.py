"""The line magic, and what Tab offers, in a real IPython shell."""

import pandas as pd
import pytest
from canned import Reply, typed, vector
from IPython.core.completer import provisionalcompleter
from IPython.core.interactiveshell import InteractiveShell

import tecton_nb as tnb
from tecton_nb import magic
from tecton_nb.exceptions import InputError

SERVICE = "fraud_detection_feature_service"


@pytest.fixture
def shell(client):
    """A shell in which the extension is loaded and `client` is a variable."""
    found = InteractiveShell()
    tnb.load_ipython_extension(found)
    found.user_ns["client"] = client
    return found


def offered(shell, text):
    """Return what Tab offers at the end of the text."""
    with provisionalcompleter():
        return [found.text for found in shell.Completer.completions(text, len(text)) if found.type == "tecton"]


def test_magic_returns_the_frame(shell, client):
    """%tecton SERVICE key=value gives the frame of the same call; values are read by the service's types."""
    frame = shell.run_line_magic("tecton", f"{SERVICE} user_id=C1000262126 amount:=100")

    expected = client.feature_service(SERVICE).get_features({"user_id": "C1000262126", "amount": 100.0})
    pd.testing.assert_frame_equal(frame, expected)


def test_magic_takes_quotes_and_wildcards(shell):
    """A value in quotes may hold spaces; a WILDCARD service gives all its rows; alone it lists the services."""
    one = shell.run_line_magic("tecton", f"{SERVICE} 'user_id=no such user' amount=1")
    rows = shell.run_line_magic("tecton", "origin_carriers_service origin='EWR'")
    services = shell.run_line_magic("tecton", "")

    assert len(one) == 1
    assert len(rows) > 1
    assert SERVICE in set(services["name"])


def test_magic_tells_what_is_wrong(shell):
    """A part that is no key=value is told in words."""
    with pytest.raises(InputError, match="write KEY=VALUE"):
        shell.run_line_magic("tecton", f"{SERVICE} user_id")


def test_tab_offers_services_and_keys_without_asking(shell, client, monkeypatch):
    """After names are known, Tab completes services and keys, and asks no server."""
    shell.user_ns["fraud"] = client.feature_service(SERVICE)
    shell.run_line_magic("tecton", f"{SERVICE} user_id=a amount=1")
    monkeypatch.setattr(client._driver, "run", lambda _: pytest.fail("the server was asked"))

    assert SERVICE in offered(shell, 'client.feature_service("fraud')
    assert offered(shell, 'fraud.get_features({"us') == ["user_id"]
    assert offered(shell, 'fraud.get_features({"user_id": 1, "') == ["amount", "user_id"]
    assert SERVICE in offered(shell, "%tecton fr")
    assert offered(shell, f"%tecton {SERVICE} am") == ["amount="]


def test_magic_asks_the_client_at_hand_even_where_an_older_one_lay(shell, ours, monkeypatch):
    """After `client` is another one, the magic asks that one: also if Python gives it the old one's place in memory."""
    monkeypatch.setattr(magic, "id", lambda _: 1, raising=False)
    metadata = {"inputJoinKeys": [typed("k", "string")], "featureValues": [typed("v.k", "string")]}
    values = []
    for said in ("old", "new"):
        answers = {"metadata": Reply(metadata), "get-features": Reply(vector([said], typed("v.k", "string")))}
        shell.user_ns["client"] = ours(lambda asked, answers=answers: answers[asked.operation])
        values += shell.run_line_magic("tecton", "s k=1")["v.k"].tolist()

    assert values == ["old", "new"]


def test_extension_that_is_loaded_again_offers_each_name_once(shell, client):
    """After %reload_ext Tab asks for names once: nothing is left of the first time."""
    tnb.load_ipython_extension(shell)
    matchers = [m for m in shell.Completer.custom_matchers if "tecton_nb" in str(getattr(m, "matcher_identifier", ""))]

    assert len(matchers) == 1


@pytest.mark.parametrize(
    "name",
    [
        "{1 + 1}",
        "$HOME",
        'a"); b = ("',
        "a'",
        "a\nimport os",
        "a b",
        "a\\",
        "\x1b[31ma",
        "a\u202eb",
        "`a`",
        "a;b",
        "%a",
        "!a",
    ],
)
@pytest.mark.parametrize("text", ['client.feature_service("', "%tecton "])
def test_tab_offers_no_name_that_means_more_than_itself(shell, client, monkeypatch, name, text):
    """A name that would end the quotation, begin a line, or be evaluated by IPython is never filled in by Tab."""
    monkeypatch.setattr(type(client), "known_service_names", lambda _: [name, "team/fraud.v2:1-a_é"])

    assert offered(shell, text) == ["team/fraud.v2:1-a_é"]
