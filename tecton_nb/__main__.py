"""``python -m tecton_nb`` is ``tecton-nb``."""

from .cli import main

main()
