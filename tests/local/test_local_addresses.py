"""Where the server listens: loopback, or the network with the user's word and a warning."""

import socket

import pytest
from raw_http import SVC, THINGS, exchange, port_of, raw_request
from riders import KEY

from tecton_nb.exceptions import SettingsError
from tecton_nb.local import FeatureServer

EVERYWHERE = "0.0.0.0"  # noqa: S104  # behind a flag, and what is tested here


def kept_at_home(server: FeatureServer) -> FeatureServer:
    """Let a server do all that an open one does, except for letting anyone in: tests stay on this machine."""
    server._thread._address = ("127.0.0.1", 0)
    return server


@pytest.fixture(scope="module")
def open_server():
    """A server that is told to listen on every address of the machine."""
    server = kept_at_home(FeatureServer(SVC, data={"things": THINGS}, api_key=KEY, host=EVERYWHERE, allow_remote=True))
    with pytest.warns(UserWarning, match="everyone who can reach this machine"), server:
        yield server


def status(server: FeatureServer, host: str) -> int:
    """What a request with this Host header gets."""
    own = f"127.0.0.1:{port_of(server)}"
    return exchange(server, raw_request(server).replace(own.encode(), host.encode()))[0]


def test_network_needs_the_flag_and_the_sentence_says_so():
    """Without the flag no address but loopback is listened on."""
    with pytest.raises(SettingsError) as caught:
        FeatureServer(SVC, host=EVERYWHERE)

    assert str(caught.value) == (
        "The feature server listens on '127.0.0.1', 'localhost', '::1' only; got '0.0.0.0'. "
        "To open it to the network all the same, add --allow-remote (in Python: allow_remote=True)."
    )


def test_flag_alone_opens_nothing(recwarn):
    """With the flag and a loopback address the server is as closed as ever, and does not warn."""
    with FeatureServer(SVC, data={"things": THINGS}, api_key=KEY, allow_remote=True) as server:
        answers = [status(server, f"{name}:{port_of(server)}") for name in ("127.0.0.1", "192.0.2.7", "evil.example")]

    assert answers == [200, 421, 421]
    assert not recwarn


def test_open_server_warns_that_the_key_travels_in_clear():
    """Whoever opens the server is told in words what that means."""
    server = kept_at_home(FeatureServer(SVC, api_key=KEY, host=EVERYWHERE, allow_remote=True))
    with pytest.warns(UserWarning, match=r"go over the network in clear \(http\)") as caught, server:
        pass

    assert KEY not in str(caught[0].message)


def test_open_server_takes_addresses_and_its_own_name_only(open_server):
    """A name that an attacker controls cannot be made to point at an open server either."""
    port = port_of(open_server)
    known = [f"192.0.2.7:{port}", f"[2001:db8::7]:{port}", f"localhost:{port}", f"{socket.gethostname()}:{port}"]
    foreign = [f"evil.example:{port}", f"192.0.2.7.evil.example:{port}", "192.0.2.7:1", "192.0.2.7", f"192.0.2:{port}"]

    assert [status(open_server, host) for host in known] == [200] * 4
    assert [status(open_server, host) for host in foreign] == [421] * 5


def test_url_of_an_open_server_works_on_this_machine(open_server):
    """The address that the server names is one that can be connected to."""
    assert open_server.url == f"http://127.0.0.1:{port_of(open_server)}"
    assert exchange(open_server, raw_request(open_server))[0] == 200


@pytest.mark.parametrize("host", ["", "a b", "evil/path", "a\r\nb", "-"])
def test_text_that_is_no_host_is_refused_in_words(host):
    """What can be neither an address nor a name is not tried."""
    with pytest.raises(SettingsError, match="it is neither an IP address nor a host name"):
        FeatureServer(SVC, host=host, allow_remote=True)


def test_localhost_and_ipv6_are_served():
    """Each loopback address works as it is written."""
    hosts = ["localhost", *(["::1"] if has_ipv6() else [])]
    for host in hosts:
        with FeatureServer(SVC, data={"things": THINGS}, api_key=KEY, host=host) as server:
            name = server.url.removeprefix("http://").rpartition(":")[0].strip("[]")
            with socket.create_connection((name, port_of(server)), timeout=10) as connection:
                connection.sendall(raw_request(server))
                assert connection.recv(100).startswith(b"HTTP/1.1 200 ")


def has_ipv6() -> bool:
    """Whether this machine has an IPv6 loopback address."""
    try:
        with socket.create_server(("::1", 0), family=socket.AF_INET6):
            return True
    except OSError:
        return False
