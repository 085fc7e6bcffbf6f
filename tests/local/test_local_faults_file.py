"""faults.toml: every kind of fault from a file, and mistakes told with file, key and what is possible."""

from pathlib import Path

import pytest
from raw_http import SVC

from tecton_nb.exceptions import SettingsError
from tecton_nb.local import FeatureServer
from tecton_nb.local.faults import (
    AddedFeature,
    AddedLatency,
    DoubleAnswer,
    Drip,
    EarlyClose,
    ErrorStatus,
    Garbage,
    Lognormal,
    MissingFeatures,
    Redirect,
    RemovedFeature,
    RenamedFeature,
    Reset,
    RetypedFeature,
    StaleValues,
    Stall,
    Uniform,
    WrongLength,
    read_faults,
)
from tecton_nb.local.faults.file import KINDS

EVERY_KIND = """
seed = 7
fault = [
    { kind = "latency", seconds = 0.5, service = "svc", operation = "get-*", share = 0.25, at_most = 9, name = "slow" },
    { kind = "latency", seconds = { distribution = "uniform", low = 0, high = 1 } },
    { kind = "latency", seconds = { distribution = "lognormal", median = 0.1 }, view = "things" },
    { kind = "status", status = 429, body = "html", retry_after = 2, retry_after_as = "date", clock_skew_seconds = -5 },
    { kind = "stall", seconds = 1, after = "half" },
    { kind = "reset" },
    { kind = "close", after = "headers" },
    { kind = "garbage", content = "html" },
    { kind = "wrong-length", difference = -3 },
    { kind = "double" },
    { kind = "drip", size = 10, seconds = 0.1, part = "interim" },
    { kind = "redirect", location = "https://elsewhere.invalid/", status = 308 },
    { kind = "stale", age = "1d" },
    { kind = "missing", feature = "things.*" },
    { kind = "rename", feature = "things.size", to = "things.length" },
    { kind = "retype", feature = "things.size", to = "string" },
    { kind = "remove", feature = "things.size" },
    { kind = "add", feature = "new.x", data_type = "int64", value = "7" },
]
"""


@pytest.fixture
def written(tmp_path, monkeypatch):
    """Write a fault file into the working directory."""
    monkeypatch.chdir(tmp_path)

    def write(text: str) -> str:
        Path("faults.toml").write_text(text, encoding="utf-8")
        return "faults.toml"

    return write


def test_every_kind_of_fault_can_stand_in_a_file(written):
    """A file says all that Python can say, in the same words."""
    faults = read_faults(written(EVERY_KIND))

    assert faults.seed == 7
    assert faults.active == (
        AddedLatency(0.5, service="svc", operation="get-*", share=0.25, at_most=9, name="slow"),
        AddedLatency(Uniform(0, 1)),
        AddedLatency(Lognormal(0.1), view="things"),
        ErrorStatus(429, "html", retry_after=2, retry_after_as="date", clock_skew_seconds=-5),
        Stall(1, "half"),
        Reset(),
        EarlyClose("headers"),
        Garbage("html"),
        WrongLength(-3),
        DoubleAnswer(),
        Drip(10, 0.1, "interim"),
        Redirect("https://elsewhere.invalid/", 308),
        StaleValues("1d"),
        MissingFeatures("things.*"),
        RenamedFeature("things.size", "things.length"),
        RetypedFeature("things.size", "string"),
        RemovedFeature("things.size"),
        AddedFeature("new.x", "int64", "7"),
    )
    assert {fault.kind for fault in faults.active} == set(KINDS)


def test_server_takes_the_faults_of_a_file(written):
    """A server made with the faults of a file has them."""
    server = FeatureServer(SVC, faults=read_faults(written(EVERY_KIND)))
    server.close()

    assert len(server.faults.active) == 18


def test_empty_file_has_no_faults(written):
    """A file may say nothing."""
    assert read_faults(written("")).active == ()


@pytest.mark.parametrize(
    ("text", "sentence"),
    [
        ("seed = 1.5", "In 'faults.toml' at `seed`: This must be a whole number; got '1.5'."),
        (
            "sed = 1",
            "In 'faults.toml' at `sed`: There is no such key; possible are 'seed', 'fault'. Did you mean 'seed'?",
        ),
        ("fault = [", "Cannot read 'faults.toml': Invalid value (at end of document)."),
        (
            "[fault]\nkind = 'reset'",
            "In 'faults.toml' at `fault`: This must be a list of tables, such as [{ ... }, { ... }].",
        ),
        (
            "[[fault]]",
            "In 'faults.toml' at `fault[0]`: The key 'kind' is missing: possible are 'latency', 'status', 'stall', "
            "'reset', 'close', 'garbage', 'wrong-length', 'double', 'drip', 'redirect', 'stale', 'missing', 'rename', "
            "'retype', 'remove', 'add'.",
        ),
        (
            "[[fault]]\nkind = 'reste'",
            "In 'faults.toml' at `fault[0].kind`: 'reste' is no kind; possible are 'latency', 'status', 'stall', "
            "'reset', 'close', 'garbage', 'wrong-length', 'double', 'drip', 'redirect', 'stale', 'missing', 'rename', "
            "'retype', 'remove', 'add'. Did you mean 'reset'?",
        ),
        (
            "[[fault]]\nkind = 'reset'\n[[fault]]\nkind = 'reset'\naftr = 'half'",
            "In 'faults.toml' at `fault[1].aftr`: There is no such key; possible are 'service', 'operation', 'view', "
            "'share', 'at_most', 'name', 'after'. Did you mean 'after'?",
        ),
        (
            "[[fault]]\nkind = 'status'",
            "In 'faults.toml' at `fault[0]`: The key 'status' is missing: it takes a status from 400 to 599.",
        ),
        (
            "[[fault]]\nkind = 'status'\nstatus = '503'",
            "In 'faults.toml' at `fault[0].status`: '503' is not possible; it takes a status from 400 to 599.",
        ),
        (
            "[[fault]]\nkind = 'reset'\nshare = 50",
            "In 'faults.toml' at `fault[0].share`: '50' is not possible; it takes a number from 0 to 1.",
        ),
        (
            "[[fault]]\nkind = 'reset'\noperation = 'get-featurs'",
            "In 'faults.toml' at `fault[0].operation`: 'get-featurs' is not possible; it takes one of 'get-features', "
            "'get-features-batch', 'query-features', 'metadata', 'get-feature-service-state', 'metrics', or a pattern "
            "of them. Did you mean 'get-features'?",
        ),
        (
            "[[fault]]\nkind = 'latency'\nseconds = { distribution = 'lognormel', median = 1 }",
            "In 'faults.toml' at `fault[0].seconds.distribution`: 'lognormel' is not possible; possible are 'uniform', "
            "'lognormal'. Did you mean 'lognormal'?",
        ),
        (
            "[[fault]]\nkind = 'latency'\nseconds = { distribution = 'lognormal', sigma = 1 }",
            "In 'faults.toml' at `fault[0].seconds`: The key 'median' is missing: it takes seconds, 0 or more.",
        ),
        (
            "[[fault]]\nkind = 'latency'\nseconds = { median = 1 }",
            "In 'faults.toml' at `fault[0].seconds`: '{'median': 1}' is not possible; it takes seconds, 0 or more, "
            "or the distribution 'uniform' or 'lognormal'.",
        ),
    ],
)
def test_mistake_in_the_file_is_one_sentence(written, text, sentence):
    """A mistake is told in one sentence with file, key and what is possible."""
    with pytest.raises(SettingsError) as caught:
        read_faults(written(text))

    assert str(caught.value) == sentence.replace("possible are 'service'", "possible are 'kind', 'service'")


def test_missing_file_is_told(written):
    """A file that is not there is told by its name."""
    with pytest.raises(SettingsError, match=r"Cannot read 'nope.toml': there is no such file\."):
        read_faults("nope.toml")


def test_name_that_nobody_serves_is_told_with_file_and_place(written):
    """A service that the server does not have is a mistake of the file."""
    faults = read_faults(written("[[fault]]\nkind = 'reset'\n[[fault]]\nkind = 'reset'\nservice = 'svk'"))

    with pytest.raises(SettingsError) as caught:
        FeatureServer(SVC, faults=faults)

    assert str(caught.value) == (
        "In 'faults.toml' at `fault[1]`: no service fits 'svk'; there are 'svc'. Did you mean 'svc'?"
    )
