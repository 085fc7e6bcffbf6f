"""Draw the baseline images anew: ``python tests/plots/make_baseline.py`` after a picture was changed on purpose.

Look at every one of them before committing.
"""

from pathlib import Path

from matplotlib.image import imsave
from picture_frames import PICTURES, pixels

FOLDER = Path(__file__).with_name("baseline")


def main() -> None:
    """Write one small PNG per picture."""
    for name, draw in PICTURES.items():
        imsave(FOLDER / f"{name}.png", pixels(draw()), metadata={"Software": None})


if __name__ == "__main__":
    main()
