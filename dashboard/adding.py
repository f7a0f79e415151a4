"""What a folder, a file or an upload could become, looked at before anything is made.

Plain functions of plain values: the pages let `dashboard.later` carry them out in a thread.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from core.config import Config, parse
from core.data import catalogue
from core.data.images import fsname
from core.data.importing import bring
from core.data.importing.base import IMPORTERS
from core.data.importing.folder import NORMAL
from core.data.importing.splits import Splits
from core.data.importing.tables import read_table
from core.data.layout import Tree, below
from core.errors import DataError
from core.workspace import Workspace

PUBLISHED = 10
"""Readers from this specificity on know what they read by more than its folders."""
ANNOTATIONS = "annotations"
LISTS = 5
"""Files of a folder that are looked at, whether they say what its images show."""
SAMPLED, FEW = 2_000, 30
"""Rows of a table that are looked at for a form, and values of a column it can offer."""
FOLDERS = 500


@dataclass(frozen=True, slots=True)
class Way:
    """One thing a source can become.

    Attributes:
        id: unique for its source.
        title: a few words to choose it by.
        sign: one sentence: by what it was recognised.
        source: the folder or file.
        importer: id of the importer; "" where a reader reads the folder as it is.
        variants: of the reader: id -> a sentence.
    """

    id: str
    title: str
    sign: str
    source: Path
    importer: str = ""
    variants: Mapping[str, str] | None = None


def there(text: str) -> Path:
    """The folder or file a typed path means.

    Raises:
        DataError: there is none, or it may not be read.
    """
    typed = text.strip().strip("\"'")
    if not typed:
        raise DataError("No folder was given; type or paste its path.")
    try:
        path = Path(typed).expanduser().resolve()
        if path.exists():
            if path.is_dir():
                next(path.iterdir(), None)
            return path
    except PermissionError:
        raise DataError(f"{fsname(typed)} may not be read; change its permissions.") from None
    except (OSError, ValueError, RuntimeError):
        pass
    raise DataError(f"There is no {fsname(typed)} on this machine; check the path.")


def ways(source: Path) -> list[Way]:
    """What a source can become, the likeliest first; [] when it is nothing that is known."""
    layouts = catalogue.recognise(source) if source.is_dir() else []
    found = [_import(source, source, one, sign) for one, sign in bring.recognise(source)]
    for path in _lists(source):
        found += [_import(source, path, one, sign) for one, sign in bring.recognise(path)]
    telling = [way for way in found if IMPORTERS.get(way.importer).specificity > 0]
    plain = [way for way in found if way not in telling]
    # a table beside folders of which none is called good says more than they do
    if len(plain) > 1 and plain[0].importer == "folder" and not {*NORMAL} & {*_folders(source)}:
        plain.append(plain.pop(0))
    also = "".join(f" It also fits {one.card.title}." for one, _ in layouts[1:])
    as_is = [
        Way(
            f"read:{one.id}", one.card.title, sign + also, source,
            variants=dict(one.variants(source)),
        )
        for one, sign in layouts[:1]
    ]  # fmt: skip
    if layouts and layouts[0][0].specificity < PUBLISHED:
        return [*telling, *as_is, *plain]  # annotations say more than a generic layout does
    return [*as_is, *telling, *plain]


def _import(root: Path, path: Path, one: Any, sign: str) -> Way:
    inner = "" if path == root else path.relative_to(root).as_posix()
    title = f"{one.title} {fsname(inner)}".strip()
    return Way(f"import:{one.id}:{inner}", title, sign, path, one.id)


def _lists(source: Path) -> list[Path]:
    """Files in a folder, or in its folder of annotations, that an importer takes by themselves."""
    suffixes = {suffix for _, each in IMPORTERS.items() for suffix in each.takes} - {"folder"}
    found: list[Path] = []
    for folder in (source, source / ANNOTATIONS):
        try:
            beside = sorted(path for path in folder.iterdir() if path.suffix.lower() in suffixes)
        except OSError:
            continue
        found += [path for path in beside if path.is_file() and not path.is_symlink()]
    return found[:LISTS]


def suggestion(way: Way) -> dict[str, Any]:
    """The settings an importer suggests for a source, as plain values."""
    found: Config = IMPORTERS.get(way.importer)().suggest(way.source)
    return found.model_dump(mode="json")


def options(way: Way, chosen: Mapping[str, Any]) -> Any:
    """Settings of the way's importer.

    Raises:
        UsageError: a setting that is none.
    """
    one = IMPORTERS.get(way.importer)
    return parse(one.options, dict(chosen), f"import of {one.title}")


# -- making ----------------------------------------------------------------------------------------


def free_name(wanted: str, taken: Iterable[str]) -> str:
    """The name, or the next free one with a number."""
    held = set(taken)
    name = " ".join("".join(c if c.isprintable() and c != "/" else " " for c in wanted).split())
    name = name.strip(". ") or "images"
    number, found = 2, name
    while found in held:
        found, number = f"{name} {number}", number + 1
    return found


def make(
    workspace: Workspace, way: Way, name: str, chosen: Mapping[str, Any], splits: Splits,
    variant: str, by: str, tell: Callable[[float, str], None],
) -> str:  # fmt: skip
    """Make or register the data set; the sentence that says what came of it.

    Raises:
        FlawscopeError: see `bring.bring_in` and `catalogue.add_dataset`.
    """
    tell(0.0, "reading the folder")
    if way.importer:
        dataset = bring.bring_in(
            workspace, way.source, name, way.importer, options(way, chosen), splits,
            by=by or None, tell=tell,
        )  # fmt: skip
    else:
        dataset = catalogue.add_dataset(workspace, way.source, name, by or None, variant)
    count = len(dataset.samples)
    return f"{dataset.name} is ready: {count:,} {'image' if count == 1 else 'images'}."


# -- what a form offers ----------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class Form:
    """What the form of an importer starts from.

    Attributes:
        suggested: its settings as they fit the source.
        folders: names of folders in the source, lower case.
        columns: {column of a table: its values, where they are few}.
    """

    suggested: Mapping[str, Any]
    folders: tuple[str, ...] = ()
    columns: Mapping[str, tuple[str, ...]] | None = None


def form(way: Way) -> Form:
    """What to ask for one way of importing a source.

    Raises:
        FlawscopeError: the source cannot be read.
    """
    found = suggestion(way)
    if way.source.is_dir():
        return Form(found, folders=_folders(way.source))
    if way.importer == "table":
        table = read_table(way.source, SAMPLED)
        values = {name: sorted({_cell(v) for v in table.column(name)}) for name in table.names}
        few = {name: tuple(v) if len(v) <= FEW else () for name, v in values.items()}
        return Form(found, columns=few)
    return Form(found)


def _folders(source: Path) -> tuple[str, ...]:
    """Names of the folders down to the third level, lower case."""
    tree = Tree(source)
    level, names = [""], set()
    for _ in range(3):
        level = [below(key, n) for key in level for n in tree.listing(key).folders][:FOLDERS]
        names |= {key.rpartition("/")[2].lower() for key in level}
    return tuple(sorted(names))


def _cell(value: object) -> str:
    return "" if value is None else str(value).strip()
