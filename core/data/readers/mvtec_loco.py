"""MVTec LOCO AD (IJCV 130, 2022): defects of structure, and of logic (too many, missing, swapped).

<class>/train/good/000.png, <class>/validation/good/000.png      validation is added to train, as
<class>/test/{good,logical_anomalies,structural_anomalies}/000.png           ADer does
<class>/ground_truth/<type>/000/000.png, 001.png, ...            one file a defect of the image

Every mask file has a grey value of its own below or at 255, which names the kind of defect; any
value but zero marks, and the files of an image are joined. `defects_config.json` (which value is
which defect, and when it counts as found) is for the measure sPRO and not needed here.
The paper says 1,772 training and 304 validation images; the release holds 1,778 and 305.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import ClassVar

from core.data.base import Count, DatasetCard, reader
from core.data.published import NON_COMMERCIAL, PublishedFolders
from core.types import Split


@reader("mvtec_loco")
class MvtecLoco(PublishedFolders):
    """MVTec LOCO AD as it unpacks; a single class folder is known by its two kinds of anomaly."""

    splits: ClassVar[Mapping[str, Split]] = {
        "train": "train", "validation": "train", "test": "test",
    }  # fmt: skip
    unread: ClassVar[Mapping[str, str]] = {}
    marks: ClassVar[tuple[str, ...]] = ("test/logical_anomalies", "test/structural_anomalies")
    card: ClassVar[DatasetCard] = DatasetCard(
        title="MVTec LOCO AD",
        summary="Five assemblies with damaged parts, and with parts that are missing or misplaced.",
        licence="CC-BY-NC-SA-4.0",
        licence_note=NON_COMMERCIAL,
        year=2022,
        citation="Bergmann, Batzner, Fauser, Sattlegger, Steger: Beyond Dents and Scratches - "
        "Logical Constraints in Unsupervised Anomaly Detection and Localization, IJCV 130, 2022",
        home="https://www.mvtec.com/company/research/datasets/mvtec-loco",
        layout="<class>/{train,validation}/good/000.png, <class>/test/<type>/000.png, "
        "<class>/ground_truth/<type>/000/000.png",
        domain="industrial",
        download="about 5.7 GB",
        image_size="800 x 1600 to 1700 x 1000",
        counts={
            "breakfast_box": Count(351 + 62, 102, 83 + 90, verified=False),
            "juice_bottle": Count(335 + 54, 94, 142 + 94, verified=False),
            "pushpins": Count(372 + 69, 138, 91 + 81, verified=False),
            "screw_bag": Count(360 + 60, 122, 137 + 82, verified=False),
            "splicing_connectors": Count(360 + 60, 119, 108 + 85, verified=False),
        },
        total=Count(1778 + 305, 575, 561 + 432),
        commercial=False,
    )
