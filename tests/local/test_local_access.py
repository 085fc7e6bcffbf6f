"""API keys: matched exactly, never shown."""

import pickle

import pytest

from tecton_nb.exceptions import SettingsError
from tecton_nb.local.keys import Access, Account, ApiKey

KEY = ApiKey("s3cret-key")
ACCESS = Access([Account("one", ApiKey("other").digest()), Account("two", KEY.digest(), frozenset({"prod"}))])


@pytest.mark.parametrize("header", ["Tecton-key s3cret-key", "tecton-key s3cret-key", "  TECTON-KEY   s3cret-key "])
def test_key_is_known_whatever_the_case_of_the_scheme(header):
    """The scheme may be written in any case, as the documents do."""
    account = ACCESS.account([header])

    assert account is not None
    assert account.name == "two"


@pytest.mark.parametrize(
    "headers",
    [
        [],
        [""],
        ["Tecton-key"],
        ["Tecton-key s3cret-ke"],
        ["Tecton-key s3cret-keyy"],
        ["Tecton-key S3CRET-KEY"],
        ["Bearer s3cret-key"],
        ["s3cret-key"],
        ["Tecton-key sécret"],
        ["Tecton-key s3cret-key", "Tecton-key wrong"],
        ["Tecton-key \udce9"],
    ],
)
def test_anything_else_is_unknown(headers):
    """A missing, shortened, doubled or foreign key opens nothing, and no text breaks the check."""
    assert ACCESS.account(headers) is None


def test_account_reads_only_its_workspaces():
    """An account reads the workspaces it has the role on; without a list, all."""
    closed, opened = Account("a", b"", frozenset({"prod"})), Account("b", b"")

    assert (closed.may_read("prod"), closed.may_read("dev"), opened.may_read("dev")) == (True, False, True)


def test_random_keys_differ():
    """Every random key is another one."""
    assert ApiKey().reveal() != ApiKey().reveal()


@pytest.mark.parametrize("text", ["", "two words", "new\nline", "schlüssel"])
def test_key_that_no_header_can_hold_is_refused_without_showing_it(text):
    """A key that cannot be sent is refused; the sentence tells its length only."""
    with pytest.raises(SettingsError) as caught:
        ApiKey(text)

    assert str(caught.value) == (
        f"The API key ({len(text)} characters) cannot be used: "
        "it must be printable ASCII text without spaces, and not empty."
    )


def test_key_is_in_no_repr_and_no_pickle():
    """Neither repr nor pickle gives the key away."""
    assert "s3cret" not in repr(KEY) + str(KEY) + repr(ACCESS) + repr(Account("x", KEY.digest()))
    with pytest.raises(TypeError, match="cannot be pickled"):
        pickle.dumps(KEY)
