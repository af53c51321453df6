"""Objects by name from the command line: ``module:name``, ``file.py:Class(4, 5)``."""

from __future__ import annotations

import ast
import difflib
import importlib
import importlib.util
import sys
from dataclasses import dataclass
from pathlib import Path
from typing import Any


@dataclass(frozen=True)
class Place:
    """A module or file, and what in it."""

    where: str
    name: str  # dotted, or a call

    def __str__(self) -> str:
        return f"{self.where}:{self.name}"


def placed(text: str) -> Place:
    """``module:name`` or ``file.py:name`` taken apart.

    Raises:
        ValueError: the text is not of that form.
    """
    where, mark, name = text.partition(".py:")
    where = f"{where}.py" if mark else where
    if not mark:
        where, _, name = text.partition(":")
    if not where.strip() or not name.strip():
        raise ValueError(f"write module:name or file.py:name, not {text!r}")
    return Place(where, name.strip())


def module_of(place: Place) -> Any:
    """The module, imported.

    Raises:
        ValueError: it is not there, or cannot be imported; the message says why.
    """
    where = place.where
    if where.endswith(".py") and not Path(where).is_file():
        raise ValueError(f"there is no file {where}")
    try:
        return _of_file(Path(where)) if where.endswith(".py") else _of_name(where)
    except SystemExit:
        raise ValueError(f"{where} cannot be imported: it ends the program; put that under "
                         f'if __name__ == "__main__"') from None  # fmt: skip
    except Exception as error:  # a file may raise anything
        raise ValueError(f"{where} cannot be imported: {type(error).__name__}: {error}") from error


def _of_name(name: str) -> Any:
    _look_in(Path.cwd())
    return importlib.import_module(name)


def _of_file(file: Path) -> Any:
    """A file as a module, which finds its neighbours as a script would, and its package as a module would."""
    for folder in reversed(folders_of(file)):
        _look_in(folder)
    name = file.stem if file.stem not in sys.modules else f"{file.stem} of {file.resolve().parent}"
    spec = importlib.util.spec_from_file_location(name, file)
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    sys.modules[name] = module
    spec.loader.exec_module(module)
    return module


def folders_of(file: Path) -> list[Path]:
    """Where a file may import from: beside it; above its package; where the command was typed."""
    beside = file.resolve().parent
    above = beside
    while (above / "__init__.py").is_file():
        above = above.parent
    return list(dict.fromkeys([beside, above, Path.cwd(), *([beside.parent] if above == beside else [])]))


def _look_in(folder: Path) -> None:
    if str(folder) not in sys.path:
        sys.path.insert(0, str(folder))


def named(module: Any, place: Place) -> Any:
    """What a name, a dotted name or a call gives in a module.

    Raises:
        ValueError: it is none of these, it is not there, or the call fails.
    """
    try:
        node = ast.parse(place.name, mode="eval").body
    except SyntaxError:
        node = None
    if not isinstance(node, (ast.Name, ast.Attribute, ast.Call)):
        raise ValueError(f"write a name, or a call that makes it like Affine(4, 5), not {place.name!r}")
    found = _found(node.func if isinstance(node, ast.Call) else node, module, place.where)
    if not isinstance(node, ast.Call):
        return found
    try:
        return eval(place.name, vars(module))
    except Exception as error:  # the author's code may raise anything
        raise ValueError(f"{place} fails: {type(error).__name__}: {error}") from error


def _found(node: ast.expr, module: Any, where: str) -> Any:
    """The object that a dotted name names."""
    text = ast.unparse(node)
    found, so_far = module, where
    for name in text.split("."):
        if not hasattr(found, name):
            near = difflib.get_close_matches(name, [n for n in dir(found) if n[0] != "_"], 1)
            raise ValueError(f"{so_far} has no {name}{f'; did you mean {near[0]}?' if near else ''}")
        found, so_far = getattr(found, name), name
    return found


def made(target: Any) -> Any:
    """The target, or an instance of it where it is a class of modules, which have a backward of their own.

    Raises:
        TypeError: the class needs arguments.
    """
    kinds = [getattr(sys.modules.get("torch.nn"), "Module", None)]
    if isinstance(target, type) and any(kind is not None and issubclass(target, kind) for kind in kinds):
        try:
            return target()
        except TypeError as error:
            raise TypeError(
                f"{target.__name__} needs arguments to be made: write {target.__name__}(...) ({error})"
            ) from None
    return target
