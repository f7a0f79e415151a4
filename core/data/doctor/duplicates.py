"""Checks for images that are there twice, to the byte or nearly.

Near duplicates are found by perceptual hash and confirmed by a finer look. Photographs from a fixed
camera and even textures have like hashes without being copies, so a pair counts only when its
32 x 32 grey images correlate at `CORRELATION` or more and differ (as 1 - r) at least `CLOSER` times
less than the usual pair of their class. Chosen on photographs of magnetic tiles whose file numbers
say which show one tile, and on breast ultrasound: every pair looked at above 0.993 showed the same
object; on the drawn demo, whose images are all different, the nearest pair is at 0.984. A copy that
was compressed (JPEG quality 40), brightened by a tenth or made noisy stays above, one of half the
size nearly always; one cropped by a hundredth of its side does not, nor does a mirrored one.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence

import numpy as np
import numpy.typing as npt

from core.data.doctor.base import Finding, Patient, check
from core.data.doctor.signatures import GREY_SIDE, Places, close_pairs, groups
from core.data.doctor.words import are, counted, learns, spared
from core.types import Sample

DISTANCE = 7
"""Bits of 64."""
CORRELATION, CLOSER = 0.993, 20.0
MOST_PAIRS = 50_000_000
"""Pairs of like hashes that are looked at; where there would be more, hashes have to be closer."""
_USUAL = 2_000
"""Random pairs of a class that say how far apart its images usually are."""
_KEEP_TEST = "The test set stays as it is, so that results stay comparable with those of others."


@check("duplicates")
def exact(patient: Patient) -> Iterator[Finding]:
    """Files with the same bytes: of differing labels, in training and test, or within a split."""
    samples = patient.dataset.samples
    facts = patient.facts
    digests = facts["sha256"].to_numpy(dtype=object)
    same: dict[str, list[int]] = {}
    for place, digest in enumerate(digests):
        if digest:
            same.setdefault(str(digest), []).append(place)
    found = [places for places in same.values() if len(places) > 1]
    opposed = [g for g in found if len({samples[p].label for p in g}) > 1]
    rest = [g for g in found if len({samples[p].label for p in g}) == 1]
    if opposed:
        keys = _keys(samples, opposed)
        yield Finding(
            check="duplicates",
            severity="error",
            title=f"{counted(len(opposed), 'image')} {are(len(opposed))} there both as normal and "
            "as anomalous",
            keys=keys,
            groups=_grouped(samples, opposed),
            detail="The same bytes stand under both labels, so one of the labels is wrong.",
            remedy="Look which label is right and exclude the other copy.",
        )
    yield from _across_and_within(patient, "duplicates", rest, exact=True)


@check("near_duplicates")
def near(patient: Patient) -> Iterator[Finding]:
    """Images that show the same thing in nearly the same way, though their bytes differ."""
    samples, facts = patient.dataset.samples, patient.facts
    usable = np.flatnonzero((facts["error"] == "").to_numpy())
    _, first = np.unique(facts["sha256"].to_numpy(dtype=str)[usable], return_index=True)
    places = np.sort(usable[first])  # exact copies are the other check's
    if len(places) < 2:
        return
    pairs = places[_near_pairs(patient, places)]
    found = [group.tolist() for group in groups(len(samples), pairs)]
    yield from _across_and_within(patient, "near_duplicates", found, exact=False, pairs=pairs)


def _near_pairs(patient: Patient, places: Places) -> npt.NDArray[np.intp]:
    """Pairs of positions in `places`, [P, 2]."""
    rows = patient.facts.iloc[places]
    greys = normalised(rows["grey"].tolist())
    hashes = rows["phash"].to_numpy(dtype=np.uint64)
    names = np.array([patient.dataset.samples[place].class_name for place in places])
    allowed_N = np.zeros(len(places), dtype=np.float32)
    random = np.random.default_rng(0)
    for name in np.unique(names):
        mine = np.flatnonzero(names == name)
        a, b = random.choice(mine, _USUAL), random.choice(mine, _USUAL)
        apart = 1 - np.einsum("nk,nk->n", greys[a[a != b]], greys[b[a != b]])
        usual = float(np.median(apart)) if len(apart) else 1.0
        allowed_N[mine] = min(1 - CORRELATION, usual / CLOSER)
    # averages over 4 x 4 cells, scaled so that no distance grows: what is far there is far
    coarse = greys.reshape(-1, 8, 4, 8, 4).mean(axis=(2, 4)).reshape(-1, 64) * 4
    kept = [np.zeros((0, 2), dtype=np.intp)]
    for i, j in close_pairs(hashes, affordable(hashes)):
        allowed = np.minimum(allowed_N[i], allowed_N[j])
        close = np.square(coarse[i] - coarse[j]).sum(axis=1) <= 2 * allowed + 1e-5
        i, j, allowed = i[close], j[close], allowed[close]
        apart = 1 - np.einsum("nk,nk->n", greys[i], greys[j])
        kept.append(np.stack([i, j], axis=1)[apart <= allowed])
    return np.concatenate(kept)


def normalised(greys: Sequence[bytes]) -> npt.NDArray[np.float32]:
    """Grey signatures as vectors of mean 0 and length 1, [N, 1024]; an even image stays 0."""
    values = np.frombuffer(b"".join(greys), dtype=np.uint8).reshape(-1, GREY_SIDE**2)
    vectors = values.astype(np.float32)
    vectors -= vectors.mean(axis=1, keepdims=True)
    length = np.linalg.norm(vectors, axis=1, keepdims=True)
    return np.asarray(vectors / np.maximum(length, 1e-6), dtype=np.float32)


def affordable(hashes: npt.NDArray[np.uint64]) -> int:
    """The largest distance up to `DISTANCE` at which about `MOST_PAIRS` pairs or fewer are like."""
    n = len(hashes)
    if n * (n - 1) // 2 <= MOST_PAIRS:
        return DISTANCE
    random = np.random.default_rng(0)
    a, b = random.integers(0, n, 200_000), random.integers(0, n, 200_000)
    apart = np.bitwise_count(hashes[a[a != b]] ^ hashes[b[a != b]])
    for distance in range(DISTANCE, 0, -1):
        if (apart <= distance).mean() * n * (n - 1) / 2 <= MOST_PAIRS:
            return distance
    return 0


def _across_and_within(
    patient: Patient, check_id: str, found: list[list[int]], *, exact: bool,
    pairs: npt.NDArray[np.intp] | None = None,
) -> Iterator[Finding]:  # fmt: skip
    samples = patient.dataset.samples
    test = np.array([sample.split == "test" for sample in samples], dtype=bool)
    if pairs is None:
        mixed = [group for group in found if 0 < test[group].sum() < len(group)]
        across = {place for group in mixed for place in group}
    else:
        across = set(pairs[test[pairs[:, 0]] != test[pairs[:, 1]]].ravel().tolist())
    leaking = [group for group in found if across.intersection(group)]
    if leaking:
        tested = sorted(place for place in across if test[place])
        trained = sorted(place for place in across if not test[place])
        fix_keys, remedy = _fix(patient, trained, tested)
        exactly = "stands" if len(tested) == 1 else "stand"
        yield Finding(
            check=check_id,
            severity="warning",
            title=f"{counted(len(tested), 'test image')} {exactly} in training, too"
            if exact
            else f"{counted(len(tested), 'test image')} {are(len(tested))} nearly the same picture "
            "as a training image",
            keys=tuple(samples[place].key for place in (*tested, *trained)),
            groups=_grouped(samples, leaking),
            detail="A method has seen these images, or their twins, before it is tested on them, "
            "so that its results are better than they would be on new parts or patients.",
            remedy=remedy,
            action="exclude",
            fix_keys=fix_keys,
        )
    for name, inside in (("training", ~test), ("test", test)):
        mine = [[place for place in group if inside[place]] for group in found]
        yield from _within(
            patient, check_id, name, [group for group in mine if len(group) > 1], exact=exact
        )


def _within(
    patient: Patient, check_id: str, split: str, found: list[list[int]], *, exact: bool
) -> Iterator[Finding]:
    samples = patient.dataset.samples
    spare = tuple(samples[place].key for group in found for place in group[1:])
    if not spare:
        return
    repeat = "repeats" if len(spare) == 1 else "repeat"
    yield Finding(
        check=check_id,
        severity="note",
        title=f"{counted(len(spare), f'{split} image')} {repeat} another one"
        if exact
        else f"{counted(len(spare), f'{split} image')} nearly {repeat} another one",
        keys=_keys(samples, found),
        groups=_grouped(samples, found),
        detail="Repeated images weigh more than others, and make confidence intervals narrower "
        "than they should be.",
        remedy="Exclude all but one of each group."
        if exact
        else "Exclude all but one of each group, unless they are different parts; better, give "
        "images of one part or patient a common specimen.",
        action="exclude",
        fix_keys=spare,
    )


def _fix(patient: Patient, trained: list[int], tested: list[int]) -> tuple[tuple[str, ...], str]:
    """Which copies to exclude, and the sentence that says why."""
    samples = patient.dataset.samples
    train_keys = tuple(samples[place].key for place in trained)
    if spared(patient.dataset, train_keys):
        return train_keys, f"Exclude the training copies. {_KEEP_TEST}"
    return (
        tuple(samples[place].key for place in tested),
        "Exclude the test copies: without the training copies a class would lose more than half "
        "of its training images.",
    )


def _keys(samples: Sequence[Sample], found: list[list[int]]) -> tuple[str, ...]:
    return tuple(samples[place].key for group in found for place in group)


def _grouped(samples: Sequence[Sample], found: list[list[int]]) -> tuple[tuple[str, ...], ...]:
    """Groups of keys, the largest first, test images before those learned from."""
    ordered = sorted(found, key=lambda group: (-len(group), group))
    return tuple(
        tuple(samples[p].key for p in sorted(group, key=lambda p: (learns(samples[p]), p)))
        for group in ordered
    )
