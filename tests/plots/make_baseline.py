"""Draw the baseline images anew: ``python tests/plots/make_baseline.py`` after a picture was changed on purpose.

Look at every one of them before committing.
"""

from pathlib import Path

from picture_frames import BASELINE_DPI, PICTURES

FOLDER = Path(__file__).with_name("baseline")


def main() -> None:
    """Write one small PNG per picture."""
    for name, draw in PICTURES.items():
        draw().figure.savefig(FOLDER / f"{name}.png", dpi=BASELINE_DPI, metadata={"Software": None})


if __name__ == "__main__":
    main()
