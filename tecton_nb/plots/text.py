"""Text from outside (names of features, groups, columns) as a picture can show it."""

from __future__ import annotations

from collections.abc import Iterable
from functools import lru_cache

from matplotlib import rcParams
from matplotlib.font_manager import FontProperties, findfont, get_font
from matplotlib.text import Text

from ..exceptions import shown

LABEL_LIMIT = 120

# After the user's own font: the one that comes with matplotlib, then what systems have for other scripts.
_FALLBACKS = (
    "DejaVu Sans",
    "Noto Sans",
    "Noto Sans CJK JP",
    "Hiragino Sans",
    "Yu Gothic",
    "Noto Sans Hebrew",
    "Noto Sans Devanagari",
    "Noto Sans Thai",
)


def label_text(value: object, limit: int = LABEL_LIMIT) -> str:
    """Return any value as a label: at most `limit` characters, each of which can be drawn.

    Control characters, lone surrogates and characters that no font at hand can draw are escaped.
    An empty text is shown as two quotes.
    """
    fonts = _fonts(tuple(rcParams["font.family"]))
    text = "".join(c if _can_draw(c, fonts) else _escape(c) for c in shown(value, limit))
    return (text if len(text) <= limit else text[: limit - 1] + "…") or "''"


def draw_literally(texts: Iterable[Text]) -> None:
    """Make the texts show exactly their characters: no formulas, no TeX, and fonts to fall back on."""
    families = list(_fonts(tuple(rcParams["font.family"])))
    for text in texts:
        text.set_parse_math(False)
        text.set_usetex(False)
        text.set_fontfamily(families)


@lru_cache(maxsize=8)
def _fonts(own: tuple[str, ...]) -> dict[str, str]:
    paths = {family: str(findfont(FontProperties(family=[family]))) for family in own}
    for family in _FALLBACKS:
        # An absent font is not asked for when drawing: each would be a line in the user's log.
        try:
            paths[family] = str(findfont(FontProperties(family=[family]), fallback_to_default=False))
        except ValueError:
            continue
    return paths


def _can_draw(character: str, fonts: dict[str, str]) -> bool:
    return any(get_font(path).get_char_index(ord(character)) for path in fonts.values())


def _escape(character: str) -> str:
    return character.encode("unicode_escape").decode()
