"""Feature values: one two-way codec per data type, exact for int64 and honest about everything else.

Reading is strict about meaning (nothing is rounded, cut or guessed) and tolerant about spelling
(an int64 may come as text or as a JSON integer, a struct as a list or an object). Writing has one form.
Source: "JSON Value Representations" and "Special FLOAT64 Value" of the HTTP API documents.
"""

from __future__ import annotations

from ..exceptions import DecodeError, InputError, quoted
from .codecs import FeatureValue, Misfit, Tolerance, codec, untyped_codec
from .types import DataType, JsonValue, described

# What to pass instead, by the beginning of what was expected.
_ADVICE = {
    "int64": " Pass a whole number from -2**63 to 2**63 - 1, as int or as its decimal text.",
    "float64": " Pass a number that a float64 holds.",
    "float32": " Pass a number that a float32 holds.",
    "boolean": " Pass True or False.",
    "string": " Pass text.",
    "timestamp": " Pass a datetime, a date or RFC 3339 text, to the nanosecond, in the years 1 to 9999.",
    "array": " Pass a list.",
    "struct": " Pass a dict by field, or a list in the order of the fields.",
    "map": " Pass a dict with text keys, each once.",
    "a feature value": " Pass text, a number, True or False, a time, a list or a dict.",
}
_FROM_A_CLIENT = Tolerance(decimal_text=True)
_FROM_A_LAX_CLIENT = Tolerance(decimal_text=True, extra_fields=True)


def decode_value(raw: JsonValue, data_type: DataType, *, where: str, name: str | None = None) -> FeatureValue:
    """Return the Python value that the server meant by `raw`.

    Parameters
    ----------
    raw
        One item of ``result.features``, as parsed from JSON.
    data_type
        The type that the response metadata states for this feature.
    where
        Place in the body, such as ``result.features[3]``; used in errors only.
    name
        Name of the feature; used in errors only.

    Returns
    -------
    bool, int, float, str, EpochNanoseconds, list, dict or None
        int64 arrives as a decimal string and leaves as `int`, so nothing above 2**53
        is rounded. "NaN", "Infinity" and "-Infinity" leave as floats, timestamps as
        whole nanoseconds, structs and maps as `dict`.

    Raises
    ------
    DecodeError
        If `raw` cannot be a value of `data_type`.
    """
    try:
        return codec(data_type).decode(raw)
    except Misfit as misfit:
        raise decode_error(misfit, where=where, name=name) from None


def decode_input(raw: JsonValue, data_type: DataType, *, where: str, ignore_extra_fields: bool = False) -> FeatureValue:
    """Return the value a client sent, as the server should take it.

    As `decode_value`, and a float may also come as decimal text, because some clients turn
    every whole number into text whatever the declared type is.

    Raises
    ------
    DecodeError
        If `raw` cannot be a value of `data_type`.
    """
    try:
        return codec(data_type, _FROM_A_LAX_CLIENT if ignore_extra_fields else _FROM_A_CLIENT).decode(raw)
    except Misfit as misfit:
        raise decode_error(misfit, where=where) from None


def encode_value(value: object, data_type: DataType | None, *, where: str) -> JsonValue:
    """Return the JSON value that means `value` to a feature server.

    Parameters
    ----------
    value
        A Python, numpy or pandas value. `None`, ``pd.NA`` and ``NaT`` become null, and so does
        NaN, except for a float, where it is a value.
    data_type
        What the server expects; `None` if that is not known: then whole numbers become decimal
        text, other numbers JSON numbers and times RFC 3339 text, as the documents rule for
        int64, float64 and timestamp.
    where
        What the value is, such as ``join key 'user_id'``; used in errors only.

    Raises
    ------
    InputError
        If the value cannot be sent as `data_type` without changing it.
    """
    try:
        return (untyped_codec() if data_type is None else codec(data_type)).encode(value)
    except Misfit as misfit:
        raise _input_error(misfit, where) from None
    except RecursionError:
        raise InputError(f"Cannot send the value for {where}: it holds itself, or is nested too deep.") from None


def _input_error(misfit: Misfit, where: str) -> InputError:
    got = f"{quoted(misfit.got)} ({type(misfit.got).__name__})"
    inside = f" at `{misfit.path.removeprefix('.')}` inside it" if misfit.path else ""
    advice = next((advice for kind, advice in _ADVICE.items() if misfit.expected.startswith(kind)), "")
    return InputError(f"Cannot send {got} as {misfit.expected} for {where}{inside}.{advice}")


def decode_error(misfit: Misfit, *, where: str, name: str | None = None) -> DecodeError:
    """Return the error for a value that does not fit its type."""
    place = f"{where}{misfit.path}"
    what = f"feature {quoted(name)}" if name is not None else "the value"
    return DecodeError(f"Cannot read {what} as {misfit.expected}: got {described(misfit.got)} at `{place}`.", place)
