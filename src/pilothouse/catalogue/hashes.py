"""Two hashes say whether a record still belongs to the code beside it.

`claim_hash`: the claim of a recipe's module and every definition of that module that it reaches. A record whose
claim_hash differs is of another claim. `parts_hash`: the recipe's module and every project module that it reaches by
imports. A record whose parts_hash differs was measured with earlier parts.

Both are of syntax trees, without comments, layout, positions and docstrings, and read the files only: nothing is
imported. The form hashed leaves out empty fields, so that Python versions which add some agree.
"""

import ast
import functools
import hashlib
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Any

from pilothouse.core.errors import WiringError

CLAIM = "CLAIM"
PROSE = {"notes"}
"""Keywords of the claim that say something about it and change nothing in it."""

IGNORED = {"ctx", "kind", "type_comment", "type_ignores"}


def claim_hash(path: Path) -> str:
    """Of the module-level `CLAIM = …` of the recipe's file `path`, and all that it reaches in that file.

    16 hexadecimal digits. Raises `WiringError` when the file has no `CLAIM`.
    """
    bound = _definitions(_tree(path))
    if CLAIM not in bound:
        raise WiringError(f"{path.name} has no module-level `{CLAIM} = Claim(...)`; a record needs one.")
    reached: dict[str, Any] = {}
    waiting = [CLAIM]
    while waiting:
        name = waiting.pop()
        if name in reached or name not in bound:
            continue
        reached[name] = [_canonical(_without_prose(node) if name == CLAIM else node) for node in bound[name]]
        waiting += [used for node in bound[name] for used in _names_used(node)]
    return _digest(sorted(reached.items()))


def has_claim(path: Path) -> bool:
    """Whether the recipe's file has a module-level `CLAIM`."""
    return CLAIM in _definitions(_tree(path))


def parts_hash(path: Path, package: Path) -> str:
    """Of the recipe's file `path` (its claim apart) and every module of `package` that it reaches by imports.

    `package` is the folder of the project's package; `path` lies anywhere. 16 hexadecimal digits.
    """
    own = [_canonical(node) for node in _tree(path).body if CLAIM not in _binds(node)]
    others = [(_module_of(module, package), _module_digest(module)) for module in reached_modules(path, package)]
    return _digest([own, sorted(others)])


def reached_modules(path: Path, package: Path) -> set[Path]:
    """The files of `package` that the file `path` reaches by imports, at any depth, without itself.

    A name imported from a package whose `__init__` only passes it on leads to where it comes from, and not to
    everything else that the `__init__` passes on.
    """
    found: set[Path] = set()
    waiting = [path]
    while waiting:
        for module in _imports(waiting.pop(), package):
            if module not in found and module != path:
                found.add(module)
                waiting.append(module)
    return found


@functools.cache
def _imports(path: Path, package: Path) -> frozenset[Path]:
    """The files that this one imports directly."""
    found: set[Path] = set()
    for node in ast.walk(_tree(path)):
        if isinstance(node, ast.Import):
            found.update(filter(None, (_file_of(alias.name, package) for alias in node.names)))
        elif isinstance(node, ast.ImportFrom) and (base := _base(node, path, package)):
            for alias in node.names:
                found |= _providers(base, alias.name, package)
    return frozenset(found)


def _providers(base: str, name: str, package: Path) -> set[Path]:
    """The files that `from base import name` leads to."""
    if submodule := _file_of(f"{base}.{name}", package):
        return {submodule}
    home = _file_of(base, package)
    if home is None:
        return set()
    if home.name == "__init__.py":
        for node in _tree(home).body:
            if isinstance(node, ast.ImportFrom) and (further := _base(node, home, package)):
                for alias in node.names:
                    if (alias.asname or alias.name) == name:
                        return _providers(further, alias.name, package)
    return {home}


def _base(node: ast.ImportFrom, path: Path, package: Path) -> str | None:
    """The absolute name of the module imported from, or None outside the project."""
    if not node.level:
        return node.module if node.module and node.module.split(".")[0] == package.name else None
    if package not in path.parents:
        return None
    folder = path.parents[node.level - 1].relative_to(package.parent)
    return ".".join([*folder.parts, *([node.module] if node.module else [])])


def _file_of(module: str, package: Path) -> Path | None:
    """The file of an absolute module name, or None if it is no module of the project."""
    first, *rest = module.split(".")
    if first != package.name:
        return None
    place = package.joinpath(*rest)
    choices = (place.with_suffix(".py"), place / "__init__.py") if rest else (place / "__init__.py",)
    return next((choice for choice in choices if choice.is_file()), None)


def _module_of(path: Path, package: Path) -> str:
    return ".".join(path.relative_to(package.parent).with_suffix("").parts)


def _definitions(tree: ast.Module) -> dict[str, list[ast.AST]]:
    """Every statement at the module's level, by the names that it binds; of an import, the one name's share of it."""
    found: dict[str, list[ast.AST]] = {}
    for node in tree.body:
        for name in _binds(node):
            found.setdefault(name, []).append(_share(node, name))
    return found


def _binds(node: ast.stmt) -> set[str]:
    if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef | ast.ClassDef):
        return {node.name}
    if isinstance(node, ast.Import | ast.ImportFrom):
        return {(alias.asname or alias.name).split(".")[0] for alias in node.names}
    return {inner.id for inner in ast.walk(node) if isinstance(inner, ast.Name) and isinstance(inner.ctx, ast.Store)}


def _share(node: ast.stmt, name: str) -> ast.AST:
    if isinstance(node, ast.Import):
        return ast.Import([alias for alias in node.names if (alias.asname or alias.name).split(".")[0] == name])
    if isinstance(node, ast.ImportFrom):
        return ast.ImportFrom(node.module, [a for a in node.names if (a.asname or a.name) == name], node.level)
    return node


def _names_used(node: ast.AST) -> Iterator[str]:
    return (inner.id for inner in ast.walk(node) if isinstance(inner, ast.Name))


def _without_prose(node: ast.AST) -> ast.AST:
    value = getattr(node, "value", None)
    if not isinstance(value, ast.Call):
        return node
    kept = ast.Call(value.func, value.args, [keyword for keyword in value.keywords if keyword.arg not in PROSE])
    return ast.Assign([ast.Name(CLAIM, ast.Store())], kept)


def _canonical(node: Any) -> Any:
    """Nested tuples of a syntax tree: no positions, no docstrings, no empty fields."""
    if isinstance(node, ast.AST):
        fields = ((name, getattr(node, name, None)) for name in node._fields if name not in IGNORED)
        return (
            type(node).__name__,
            *((name, _canonical(value)) for name, value in fields if value is not None and value != []),
        )
    if isinstance(node, list):
        return [_canonical(inner) for inner in node if not _is_docstring(inner)]
    return (type(node).__name__, repr(node))


def _is_docstring(node: Any) -> bool:
    """A string that stands alone as a statement: of a module, class or function, or beneath a field."""
    return isinstance(node, ast.Expr) and isinstance(node.value, ast.Constant) and isinstance(node.value.value, str)


def _digest(content: Iterable[Any]) -> str:
    return hashlib.sha256(repr(content).encode()).hexdigest()[:16]


@functools.cache
def _module_digest(path: Path) -> str:
    return _digest(_canonical(_tree(path)))


@functools.lru_cache(maxsize=64)
def _tree(path: Path) -> ast.Module:
    return ast.parse(path.read_text(encoding="utf-8"), path.name)


def forget() -> None:
    """Read files anew from here on; for long-lived processes in which the source changes."""
    for cached in (_imports, _module_digest, _tree):
        cached.cache_clear()
