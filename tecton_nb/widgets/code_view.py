"""The call as code: a choice of language, and a box to copy from."""

from __future__ import annotations

from typing import Any

import ipywidgets

from .code import Snippets
from .frontend import CodeBox

_LANGUAGES = ("Python", "curl", "JSON")
_NOTHING = "# Choose a service and fill in its keys."


class CodeView(ipywidgets.VBox):
    """Shows snippets in one language at a time."""

    def __init__(self) -> None:
        self._language = ipywidgets.ToggleButtons(options=_LANGUAGES, description="Same call as")
        self._language.style.button_width = "80px"
        self._box = CodeBox()
        self._snippets = Snippets()
        super().__init__([self._language, self._box])
        self._language.observe(self._draw, "value")
        self._draw(None)

    def show(self, snippets: Snippets) -> None:
        """Show other snippets."""
        self._snippets = snippets
        self._draw(None)

    def _draw(self, change: Any) -> None:
        del change
        language = str(self._language.value)
        self._box.text = getattr(self._snippets, language.lower()) or _NOTHING
        self._box.label = f"{language} code"
