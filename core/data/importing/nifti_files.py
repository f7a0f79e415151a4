"""Which NIfTI file is a volume, which one a mask, and whose.

A mask is a file `<stem>_seg`, `_mask` or `_label` (and longer forms of these), or one in a folder
called masks, labels and the like; folders called images and the like do not count when both are
paired. A mask whose stem only begins the stems of volumes ("case7_seg" beside "case7_t1" and
"case7_t2") is the mask of each of them, and they show the same patient.
"""

from __future__ import annotations

import re
from collections import defaultdict
from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from core.data.importing.nifti_volume import is_nifti
from core.data.layout import stem

_MASK_NAME = re.compile(r"[-_. ](seg|mask|label|roi)(s|mentation|mentations)?$", re.IGNORECASE)
_MASK_FOLDER = re.compile(r"(masks?|labels?|segs?|segmentations?|rois?)([-_ ]?(tr|ts))?$", re.I)
_IMAGE_FOLDER = re.compile(r"(images?|imgs?|volumes?|scans?)([-_ ]?(tr|ts))?$", re.I)
_SUBJECT = re.compile(r"sub-[A-Za-z0-9]+")  # as in BIDS


@dataclass(frozen=True, slots=True)
class Pair:
    """A volume and its mask.

    Attributes:
        volume, mask: keys below the source; the mask None where there is none.
        case: what tells patients apart, as the files are called.
    """

    volume: str
    mask: str | None
    case: str


def pairs(keys: Iterable[str], by_folder: bool) -> tuple[list[Pair], list[str]]:
    """Volumes in the order of their keys, and masks that belong to none.

    Args:
        keys: of files; those that are no NIfTI files are passed over.
        by_folder: the folder tells patients apart, not the file.
    """
    masks: dict[tuple[str, str], str] = {}
    volumes: list[str] = []
    for key in sorted(filter(is_nifti, keys)):
        if is_mask(key):
            masks.setdefault((_home(key), _bare(key)), key)
        else:
            volumes.append(key)
    prefixes: dict[str, list[str]] = defaultdict(list)
    for home, begin in masks:
        prefixes[home].append(begin)
    found: list[Pair] = []
    used: set[str | None] = set()
    for key in volumes:
        home, name = _home(key), base(key)
        bare = _longest(name, prefixes[home])
        mask = None if bare is None else masks[home, bare]
        used.add(mask)
        found.append(Pair(key, mask, _case(key, home, bare or name, by_folder)))
    return found, [mask for mask in masks.values() if mask not in used]


def is_mask(key: str) -> bool:
    """By its name or one of its folders."""
    *folders, _ = key.split("/")
    return bool(_MASK_NAME.search(base(key))) or any(map(_MASK_FOLDER.fullmatch, folders))


def base(key: str) -> str:
    """A file's name without its folder and both suffixes."""
    name = stem(key)
    return name[:-4] if name.lower().endswith(".nii") else name


def _bare(key: str) -> str:
    return _MASK_NAME.sub("", base(key))


def _home(key: str) -> str:
    """The folder that a volume and its mask have in common."""
    parts = key.split("/")[:-1]
    kept = [p for p in parts if not (_MASK_FOLDER.fullmatch(p) or _IMAGE_FOLDER.fullmatch(p))]
    return "/".join(kept)


def _longest(name: str, bares: Sequence[str]) -> str | None:
    """The mask's stem that is the volume's, else the longest that begins it as whole words."""
    if name in bares:
        return name
    fitting = [b for b in bares if b and name.startswith(b) and not name[len(b)].isalnum()]
    return max(fitting, key=len, default=None)


def _case(key: str, home: str, name: str, by_folder: bool) -> str:
    subject = _SUBJECT.search(key)
    if subject:
        return subject.group()
    if by_folder and home:
        return home
    return f"{home}/{name}" if home else name
