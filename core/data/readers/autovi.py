"""AutoVI (Renault Group and UTC, 2024): six steps of a car's assembly, from a running line.

<class>/train/good/0001.png, <class>/test/<type>/0089.png
<class>/ground_truth/<type>/0089/0000.png, 0001.png, ...      one file a defect of the image

Masks are RGB or RGBA files of one positive value each; alpha does not mark, the files of an image
are joined. Some unpackers leave `pipe_clip/pipe_clip/`. `defects_config.json` serves the measure
sPRO and is not needed here. The numbers of anomalous images come from rounded rates (one more or
less is possible).
"""

from __future__ import annotations

from typing import ClassVar

from core.data.base import Count, DatasetCard, reader
from core.data.published import NON_COMMERCIAL, PublishedFolders


@reader("autovi")
class AutoVi(PublishedFolders):
    """AutoVI, its six archives unpacked side by side."""

    called: ClassVar[frozenset[str]] = frozenset(("autovi", "autovidataset"))
    card: ClassVar[DatasetCard] = DatasetCard(
        title="AutoVI",
        summary="Six steps of a car's assembly: wiring, clips, screws and pipes, from a real line.",
        licence="CC-BY-NC-SA-4.0",
        licence_note=NON_COMMERCIAL,
        year=2024,
        citation="Carvalho, Lafou, Durupt, Leblanc, Grandvalet: The Automotive Visual Inspection "
        "Dataset (AutoVI) - A Genuine Industrial Production Dataset for Unsupervised Anomaly "
        "Detection, Zenodo 2024",
        home="https://zenodo.org/records/10459003",
        layout="<class>/train/good/0001.png, <class>/test/<type>/0089.png, "
        "<class>/ground_truth/<type>/0089/0000.png",
        domain="industrial",
        download="about 3.9 GB in six archives",
        image_size="400 x 400 or 1000 x 750",
        counts={
            "engine_wiring": Count(285, 607 - 322, 322, verified=False),
            "pipe_clip": Count(195, 337 - 142, 142, verified=False),
            "pipe_staple": Count(191, 305 - 117, 117, verified=False),
            "tank_screw": Count(318, 413 - 95, 95, verified=False),
            "underbody_pipes": Count(161, 345 - 184, 184, verified=False),
            "underbody_screw": Count(373, 392 - 18, 18, verified=False),
        },
        total=Count(1523, 2399 - 878, 878, verified=False),
        commercial=False,
    )
