"""A folder of images: one subfolder for each class, or no subfolders and no classes."""

from __future__ import annotations

from pathlib import Path

import numpy as np

from handgrad.data.columns import tell
from handgrad.data.errors import DataError, listed, needs_extra

SUFFIXES = (".bmp", ".gif", ".jpeg", ".jpg", ".pgm", ".png", ".ppm", ".tif", ".tiff", ".webp")


def read_folder(folder: Path) -> tuple[np.ndarray, np.ndarray | None, tuple[str, ...]]:
    """``(images, labels, names)``: uint8 grey (N, H, W) or RGB (N, 3, H, W), class names, file names.

    The files of each subfolder are of the class that it is named for; images right in the folder have
    no class, and labels are None. Sorted by class and file name. Other files are passed over.

    Raises:
        DataError: no images, images both in the folder and in subfolders, one that differs from the
            first in size or mode, or is neither grey nor RGB, or cannot be read.
    """
    groups = {sub.name: images_in(sub) for sub in sorted(folder.iterdir()) if sub.is_dir()}
    empty = [name for name, paths in groups.items() if not paths and not name.startswith(".")]
    groups = {name: paths for name, paths in groups.items() if paths and not name.startswith(".")}
    loose = images_in(folder)
    if not groups and not loose:
        raise DataError(
            f"{folder} has no images: put those of each class in a subfolder of its name;"
            f" files that end in {listed(SUFFIXES)} are read"
        )
    if groups and loose:
        raise DataError(
            f"{folder} has images ({loose[0].name} ...) beside its subfolders {listed(groups)}:"
            " move them into the subfolder of their class"
        )
    for name in empty if groups else ():
        tell(f"{folder / name} has no images: it is no class")
    paths = loose or [path for group in groups.values() for path in group]
    labels = None if loose else np.array([path.parent.name for path in paths])
    return read_images(paths), labels, tuple(str(path.relative_to(folder)) for path in paths)


def images_in(folder: Path) -> list[Path]:
    files = (path for path in folder.iterdir() if path.suffix.lower() in SUFFIXES and path.is_file())
    return sorted(path for path in files if not path.name.startswith("."))


def read_images(paths: list[Path]) -> np.ndarray:
    first = read_image(paths[0])
    images = np.empty((len(paths), *first.shape), np.uint8)
    for i, path in enumerate(paths):
        image = read_image(path)
        if image.shape != first.shape:
            raise DataError(
                f"{path} is {described(image)}, but {paths[0]} is {described(first)}:"
                " make all images of one size and one mode"
            )
        images[i] = image
    return images


def described(image: np.ndarray) -> str:
    return f"{image.shape[-1]} x {image.shape[-2]} {'RGB' if image.ndim == 3 else 'grey'}"


def read_image(path: Path) -> np.ndarray:
    """uint8 (H, W) or (3, H, W)."""
    try:
        from PIL import Image
    except ImportError:
        raise needs_extra("Pillow", f"reading the images beside {path}") from None
    try:
        with Image.open(path) as image:
            mode = image.mode
            pixels = np.asarray(image.convert("L") if mode == "1" else image)
    except (OSError, SyntaxError, ValueError) as error:
        raise DataError(f"{path} cannot be read as an image: {error}") from error
    if mode not in ("1", "L", "RGB"):
        raise DataError(f"{path} has the mode {mode}: save it as grey (L) or RGB, 8 bits each")
    return pixels if pixels.ndim == 2 else pixels.transpose(2, 0, 1)
