from __future__ import annotations

import json
import warnings
from pathlib import Path

import pytest

from tecton_nb.exceptions import SettingsError
from tecton_nb.transport.address import Address, AddressWarning, is_loopback, parse_address

CORPUS = Path(__file__).parents[1] / "corpora" / "base-urls.jsonl"
CASES = [json.loads(line) for line in CORPUS.read_text().splitlines()]
GET = "feature-service/get-features"


def _outcome(url: str) -> Address | str:
    try:
        return parse_address(url)
    except SettingsError as error:
        return str(error)


@pytest.mark.parametrize("case", CASES, ids=lambda case: case["url"][:40])
def test_address_of_the_corpus_is_accepted_warned_of_or_refused_as_stated(case):
    """Every address of the corpus comes out as the corpus says, and no password is printed."""
    with warnings.catch_warnings(record=True) as warned:
        warnings.simplefilter("always")
        outcome = _outcome(case["url"])

    if isinstance(outcome, str):
        assert "refuse" in case["expect"]
        assert "CANARY" not in outcome
        return
    assert not case["expect"].startswith("refuse") or outcome.scheme == "https"
    assert bool(warned) == ("warn" in case["expect"])
    assert "/api/api/" not in outcome.url_for(GET)


@pytest.mark.parametrize(
    ("url", "base"),
    [
        ("https://x.tecton.ai", "https://x.tecton.ai"),
        ("https://x.tecton.ai/", "https://x.tecton.ai"),
        ("https://x.tecton.ai//", "https://x.tecton.ai"),
        ("https://x.tecton.ai/api", "https://x.tecton.ai"),
        ("https://x.tecton.ai/api/", "https://x.tecton.ai"),
        ("https://x.tecton.ai/api/v1", "https://x.tecton.ai"),
        ("https://x.tecton.ai/api/v1/", "https://x.tecton.ai"),
        ("HTTPS://X.Tecton.AI", "https://x.tecton.ai"),
        ("https://x.tecton.ai.", "https://x.tecton.ai"),
        ("https://x.tecton.ai:443", "https://x.tecton.ai"),
        ("https://x.tecton.ai:8443/api", "https://x.tecton.ai:8443"),
        ("https://gw.example/tecton", "https://gw.example/tecton"),
        ("https://gw.example/a/b%20c/api/v1/", "https://gw.example/a/b%20c"),
        ("https://gw.example/v1", "https://gw.example/v1"),
        ("\thttps://x.tecton.ai\r\n", "https://x.tecton.ai"),
        ("https://10.0.0.7:8080", "https://10.0.0.7:8080"),
        ("https://[2001:DB8::1]:8080", "https://[2001:db8::1]:8080"),
        ("https://my_host.local", "https://my_host.local"),
        ("http://localhost:8080", "http://localhost:8080"),
        ("http://LOCALHOST", "http://localhost"),
        ("http://127.0.0.1:80", "http://127.0.0.1"),
        ("http://127.9.9.9:1", "http://127.9.9.9:1"),
        ("http://[0:0:0:0:0:0:0:1]:8080/api", "http://[::1]:8080"),
    ],
)
def test_address_in_any_usual_form_leads_to_the_same_place(url, base):
    """However the address is written, the operations are found below it, and a gateway's path is kept."""
    address = parse_address(url)

    assert str(address) == base
    assert address.url_for(GET) == f"{base}/api/v1/{GET}"


@pytest.mark.parametrize(
    ("url", "base"),
    [
        ("http://explore.tecton.ai", "https://explore.tecton.ai"),
        ("http://explore.tecton.ai:80", "https://explore.tecton.ai"),
        ("http://explore.tecton.ai:443", "https://explore.tecton.ai"),
        ("http://x.tecton.ai:8080/api", "https://x.tecton.ai:8080"),
        ("http://127.0.0.1.evil.example", "https://127.0.0.1.evil.example"),
        ("http://localhost.evil.example", "https://localhost.evil.example"),
        ("http://0.0.0.0:8080", "https://0.0.0.0:8080"),
        ("http://[::2]", "https://[::2]"),
        ("http://10.0.0.7", "https://10.0.0.7"),
    ],
)
def test_address_by_http_to_another_computer_goes_by_https_with_a_warning(url, base):
    """The API key never travels in clear to another computer, and the user is told what is used instead."""
    with pytest.warns(AddressWarning, match="by https instead of http"):
        address = parse_address(url)

    assert str(address) == base


@pytest.mark.parametrize(
    ("url", "host"),
    [
        ("https://xn--tcton-ksa.ai", "xn--tcton-ksa.ai"),
        ("https://técton.ai", "xn--tcton-bsa.ai"),
        ("https://teсton.ai", "xn--teton-2ye.ai"),
        ("https://ｘ.tecton.ai", "x.tecton.ai"),
        ("https://x。evil.example", "x.evil.example"),
    ],
)
def test_address_with_foreign_letters_warns_of_the_host_that_gets_the_key(url, host):
    """A host that may only look right is shown as the network sees it."""
    with pytest.warns(AddressWarning, match=f"the host {host}: that is where the API key is sent"):
        assert parse_address(url).host == host


@pytest.mark.parametrize(
    "url",
    [
        "",
        "  ",
        "x.tecton.ai",
        "x.tecton.ai:443",
        "localhost:8080",
        "//x.tecton.ai",
        "https:/x.tecton.ai",
        "https:x.tecton.ai",
        "ftp://x.tecton.ai",
        "file:///etc/passwd",
        "javascript://x",
        "https://",
        "https:///api",
        "https://:443",
        "https://.",
        "https://x..ai",
        "https://-x.ai",
        "https://x-.ai",
        "https://x%2e.ai",
        "https://<your-cluster>.tecton.ai",
        "https://{cluster}.tecton.ai",
        "https://$CLUSTER.tecton.ai",
        "https://x.tecton.ai,evil.example",
        f"https://{'a' * 64}.ai",
        f"https://{'a.' * 127}ai",
        "https://user:CANARY@x.tecton.ai",
        "https://CANARY@x.tecton.ai",
        "https://x.tecton.ai@CANARY.example",
        "https://x.tecton.ai\\@CANARY.example",
        "https://x.tecton.ai\\.CANARY.example",
        "https://x.tecton.ai/?key=CANARY",
        "https://x.tecton.ai?CANARY",
        "https://x.tecton.ai/#CANARY",
        "https://x.tecton.ai\n.CANARY.example",
        "https://x.tecton.ai\t.evil.example",
        "https://x.tecton.ai\r\nX-Evil: 1",
        "https://x.tecton.ai\x00.evil.example",
        "https://x.tecton .ai",
        "https://x.tecton.ai/a b",
        "https://x.tecton.ai\u200b",
        "https://x.tecton.ai\u202e",
        "https://x.tecton.ai\u00a0/",
        "https://x.tecton.ai\u2028",
        "https://x.tecton.ai\ud800",
        "https://x.tecton.ai:",
        "https://x.tecton.ai:0",
        "https://x.tecton.ai:65536",
        "https://x.tecton.ai:99999999999",
        "https://x.tecton.ai:-1",
        "https://x.tecton.ai:+80",
        "https://x.tecton.ai:8 0",
        "https://x.tecton.ai:８０",
        "https://x.tecton.ai:80:80",
        "https://127.1",
        "https://2130706433",
        "https://0x7f000001",
        "https://0177.0.0.1",
        "https://1.2.3.4.5",
        "https://1.2.3.999",
        "https://[::1",
        "https://::1",
        "https://[::1]x",
        "https://[]",
        "https://[::g]",
        "https://[127.0.0.1]",
        "https://[fe80::1%25eth0]",
        "https://[fe80::1%eth0]",
        "https://x.tecton.ai/..",
        "https://x.tecton.ai/a/../b",
        "https://x.tecton.ai/./api",
        "https://x.tecton.ai/%2e%2e/b",
        "https://x.tecton.ai/%2E./b",
        "https://x.tecton.ai/a%2fb",
        "https://x.tecton.ai/a%5cb",
        "https://x.tecton.ai/a%0d%0aX",
        "https://x.tecton.ai/a%00",
        "https://x.tecton.ai/%zz",
        "https://x.tecton.ai/é",
        "https://x.tecton.ai/<prefix>",
        "https://x.tecton.ai/api/v1/feature-service/get-features",
        "https://x.tecton.ai/api/v1/observability/metrics",
    ],
)
def test_address_that_could_lead_elsewhere_is_refused(url):
    """An address that cannot be used as written is refused with a hint, without showing what may be a secret."""
    with pytest.raises(SettingsError) as caught:
        parse_address(url)

    assert str(caught.value).endswith("Write it like https://yourcluster.tecton.ai.")
    assert "CANARY" not in str(caught.value)
    assert str(caught.value).isprintable()


@pytest.mark.parametrize("url", [None, b"https://x.tecton.ai", 7])
def test_address_that_is_no_text_is_refused(url):
    """Anything but text is refused with the name of its type."""
    with pytest.raises(SettingsError, match=f"must be text, not {type(url).__name__}"):
        parse_address(url)


def test_address_without_scheme_says_what_to_write():
    """A forgotten https:// is named."""
    with pytest.raises(
        SettingsError, match=r"^Cannot use the address 'x\.tecton\.ai': it does not start with https://\."
    ):
        parse_address("x.tecton.ai")


@pytest.mark.parametrize(
    ("host", "expected"),
    [
        ("localhost", True),
        ("127.0.0.1", True),
        ("127.255.0.9", True),
        ("::1", True),
        ("128.0.0.1", False),
        ("0.0.0.0", False),  # noqa: S104
        ("::", False),
        ("localhost.example", False),
        ("", False),
    ],
)
def test_is_loopback_holds_for_this_computer_only(host, expected):
    """Only literal names of this computer count as such."""
    assert is_loopback(host) is expected
