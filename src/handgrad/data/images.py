"""A folder of images: a subfolder for each class, or no classes; or these in ``train/`` and ``val/``.

They are read as a viewer would show them, brought to one size, and all grey or all in colour.
"""

from __future__ import annotations

from collections import Counter
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np

from handgrad.data.columns import tell
from handgrad.data.errors import DataError, counted, listed, needs_extra

SUFFIXES = (".bmp", ".gif", ".jpeg", ".jpg", ".pgm", ".png", ".ppm", ".tif", ".tiff", ".webp")
PARTS = {
    "train": "train", "training": "train", "val": "validation", "valid": "validation",
    "validation": "validation", "test": "test", "testing": "test",
}  # fmt: skip
"""The names of subfolders that are parts of the data, not classes."""
FITS = {"crop": "scaled, what is over cut off,", "pad": "scaled, between black bars,", "stretch": "stretched"}
TURNED = 0x0112  # the tag of an image that says how its camera was held
DEEP = ("I", "F")  # modes of more than 8 bits whose full scale the file does not say


class Folder(NamedTuple):
    """The images of a folder.

    images: uint8, grey (N, H, W) or in colour (N, 3, H, W).
    labels: the class of each, or None.
    names: their files.
    parts: of each "train", "validation" or "test", or None where the folder has no parts.
    """

    images: np.ndarray
    labels: np.ndarray | None
    names: tuple[str, ...]
    parts: np.ndarray | None


def read_folder(folder: Path, resize: Any = None, fit: str = "crop", is_grey: bool | None = None) -> Folder:
    """The images of a folder, sorted by class and file name. Other files are passed over.

    The files of each subfolder are of the class that it is named for; images right in the folder have no
    class. Subfolders ``train`` and ``val`` (``valid``, ``validation``) or ``test``, which have subfolders
    themselves, are parts of the data.

    Args:
        resize: (H, W), to which images are brought; None where all have one size.
        fit: how: "crop" fills it and cuts off what is over, "pad" fits it in between black bars, "stretch".
        is_grey: whether to make them grey; if not said, where all are.

    Raises:
        DataError: no images, images both in the folder and in subfolders, of several sizes without
            ``resize``, or one that cannot be read.
    """
    check_size(resize, fit)
    found = {sub.name: sub for sub in sorted(folder.iterdir()) if sub.is_dir() and sub.name[0] != "."}
    if are_parts(found.values()):
        paths, labels, parts = of_parts(found)
    else:
        paths, labels, parts = *of_classes(folder, found), None
    names = tuple(str(path.relative_to(folder)) for path in paths)
    return Folder(read_images(folder, paths, resize, fit, is_grey), labels, names, parts)


def check_size(resize: Any, fit: str) -> None:
    if fit not in FITS:
        raise DataError(f"fit is {fit!r}: it is one of {listed(FITS)}")
    is_size = isinstance(resize, tuple | list) and len(resize) == 2
    if resize is not None and not (is_size and all(isinstance(n, int) and n > 0 for n in resize)):
        raise DataError(f"resize is {resize!r}: give (height, width), two whole numbers from 1")


def are_parts(folders: Any) -> bool:
    """Whether folders are named as parts, of which at least one is to be trained on, and have classes."""
    folders = [sub for sub in folders if images_in(sub) or any(map(images_in, subfolders(sub)))]
    parts = [PARTS.get(sub.name.lower()) for sub in folders]
    has_classes = any(subfolders(sub) for sub in folders)
    return len(parts) > 1 and None not in parts and "train" in parts and has_classes


def of_parts(folders: dict[str, Path]) -> tuple[list[Path], np.ndarray | None, np.ndarray | None]:
    """Images with their labels and parts; a part without classes, to be predicted, is left out."""
    paths: list[Path] = []
    labels: list[Any] = []
    parts: list[str] = []
    for name, sub in folders.items():
        if images_in(sub) and not subfolders(sub):
            tell(f"{sub} has no classes: it is left out", "", f"handgrad predict RUN {sub} reads it")
            continue
        if name.lower() not in PARTS:
            continue  # an empty one
        own, classes = of_classes(sub, {each.name: each for each in subfolders(sub)})
        paths += own
        labels += list(classes if classes is not None else [])
        parts += [PARTS[name.lower()]] * len(own)
    return paths, np.array(labels), np.array(parts)


def of_classes(folder: Path, found: dict[str, Path]) -> tuple[list[Path], np.ndarray | None]:
    """Images, and the subfolders that they are in."""
    groups = {name: images_in(sub) for name, sub in found.items()}
    empty = [name for name, paths in groups.items() if not paths]
    groups = {name: paths for name, paths in groups.items() if paths}
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
    return paths, None if loose else np.array([path.parent.name for path in paths])


def subfolders(folder: Path) -> list[Path]:
    return sorted(sub for sub in folder.iterdir() if sub.is_dir() and not sub.name.startswith("."))


def images_in(folder: Path) -> list[Path]:
    files = (path for path in folder.iterdir() if path.suffix.lower() in SUFFIXES and path.is_file())
    return sorted(path for path in files if not path.name.startswith("."))


# Pixels.


def read_images(folder: Path, paths: list[Path], resize: Any, fit: str, is_grey: bool | None) -> np.ndarray:
    """uint8 (N, H, W), or in colour (N, 3, H, W)."""
    sizes: dict[tuple[int, int], list[Path]] = {}
    changes: Counter[str] = Counter()
    images = []
    for path in paths:
        image, what = shown(path)
        changes.update(what)
        sizes.setdefault(image.size, []).append(path)
        images.append(image if resize is None else resized(image, resize, fit))
    if resize is None and len(sizes) > 1:
        refuse_sizes(sizes)
    coloured = sum(image.mode == "RGB" for image in images)
    is_grey = coloured == 0 if is_grey is None else is_grey
    if is_grey and coloured:
        changes["made grey, as those were that were trained on"] = coloured
    if not is_grey and coloured < len(images):
        changes["made RGB, as others are"] = len(images) - coloured
    if resize is not None and set(sizes) != {(resize[1], resize[0])}:
        changes[f"{FITS[fit]} to {resize[1]} x {resize[0]}"] = len(images)
    if changes:
        told = "; ".join(f"{counted(n, 'image')} {what}" for what, n in changes.items())
        tell(f"{folder}: {told}")
    w, h = images[0].size
    out = np.empty((len(images), h, w) if is_grey else (len(images), 3, h, w), np.uint8)
    for row in out:  # each image is let go once it is in
        pixels = np.asarray(images.pop(0).convert("L" if is_grey else "RGB"))
        row[...] = pixels if is_grey else pixels.transpose(2, 0, 1)
    return out


def refuse_sizes(sizes: dict[tuple[int, int], list[Path]]) -> None:
    ranked = sorted(sizes.items(), key=lambda each: -len(each[1]))
    told = listed((f"{w} x {h} ({len(of):,}, such as {of[0]})" for (w, h), of in ranked), 3)
    w, h = ranked[0][0]
    raise DataError(
        f"the images have {len(sizes):,} sizes, width x height: {told}.",
        f"load(..., resize=({h}, {w})) brings them to one",
        f"--resize {w}x{h} brings them to one",
    )


def shown(path: Path) -> tuple[Any, list[str]]:
    """An image as a viewer shows it, in the mode L or RGB, and what was done to it, in words."""
    try:
        from PIL import Image, ImageOps
    except ImportError:
        raise needs_extra("Pillow", f"reading the images beside {path}") from None
    try:
        with Image.open(path) as image:
            image.load()
            upright = ImageOps.exif_transpose(image)
            changes = ["turned as the camera says"] * (image.getexif().get(TURNED, 1) != 1)
            return plain(upright, path, changes), changes
    except (OSError, SyntaxError, ValueError, Image.DecompressionBombError) as error:
        if isinstance(error, DataError):
            raise
        raise DataError(f"{path} cannot be read as an image: {error}") from error


def plain(image: Any, path: Path, changes: list[str]) -> Any:
    """In the mode L or RGB: colours out of palettes, what is transparent on white, of 16 bits the upper 8."""
    from PIL import Image

    if image.mode in DEEP:
        raise DataError(
            f"{path} has numbers of the mode {image.mode}: save it as grey (L) or RGB, 8 bits each"
        )
    if image.mode.startswith("I;16"):
        changes.append("of 16 bits, of which the upper 8 are read")
        return Image.fromarray((np.asarray(image) >> 8).astype(np.uint8))
    if image.has_transparency_data:
        over = image.convert("RGBA")
        if over.getchannel("A").getextrema() != (255, 255):
            changes.append("with transparency, put on white")
        image = Image.alpha_composite(Image.new("RGBA", over.size, "white"), over)
        return image.convert("RGB") if is_coloured(image.convert("RGB")) else image.convert("L")
    if image.mode in ("1", "L", "LA", "La"):
        return image.convert("L")
    if image.mode == "P":  # a palette may be one of greys
        image = image.convert("RGB")
        return image if is_coloured(image) else image.convert("L")
    return image.convert("RGB")


def is_coloured(image: Any) -> bool:
    r, g, b = (np.asarray(channel) for channel in image.split())
    return bool((r != g).any() or (g != b).any())


def resized(image: Any, resize: tuple[int, int], fit: str) -> Any:
    from PIL import Image, ImageOps

    size = (resize[1], resize[0])
    ways = {"crop": ImageOps.fit, "pad": ImageOps.pad}
    if fit in ways:
        return ways[fit](image, size, Image.Resampling.LANCZOS)
    return image.resize(size, Image.Resampling.LANCZOS)
