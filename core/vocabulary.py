"""Three ways to speak of the same things: in general, in a plant, in a clinic.

Names of metrics are never translated; everything that people look at may be.
"""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True, kw_only=True)
class Vocabulary:
    """Words of one trade; singular and plural where both are needed.

    Attributes:
        id, title: query value and what the switch shows.
        item, items: what is examined ("3 patients").
        flaw, flaws: what is looked for.
        good, bad: adjectives ("healthy patients").
        miss, misses: an anomalous item called normal; the noun.
        missed: the same as a verb form ("missed", "escaped").
        alarm, alarms: a normal item called anomalous.
        reject: what is done with an item above the threshold ("reject the part").
        review: what the people do between two thresholds.
        share: what share of items is anomalous in real life ("prevalence", "defect rate").
    """

    id: str
    title: str
    item: str
    items: str
    flaw: str
    flaws: str
    good: str
    bad: str
    miss: str
    misses: str
    missed: str
    alarm: str
    alarms: str
    reject: str
    review: str
    share: str


GENERAL = Vocabulary(
    id="general", title="General",
    item="image", items="images", flaw="flaw", flaws="flaws", good="good", bad="anomalous",
    miss="miss", misses="misses", missed="missed", alarm="false alarm", alarms="false alarms",
    reject="flag", review="look again", share="share of anomalous images",
)  # fmt: skip
PLANT = Vocabulary(
    id="plant", title="Plant",
    item="part", items="parts", flaw="defect", flaws="defects", good="good", bad="defective",
    miss="escape", misses="escapes", missed="escaped", alarm="overkill", alarms="overkills",
    reject="reject", review="re-inspect", share="defect rate",
)  # fmt: skip
CLINIC = Vocabulary(
    id="clinic", title="Clinic",
    item="patient", items="patients", flaw="lesion", flaws="lesions", good="healthy",
    bad="diseased",
    miss="miss", misses="misses", missed="missed", alarm="false alarm", alarms="false alarms",
    reject="refer", review="second reading", share="prevalence",
)  # fmt: skip
VOCABULARIES = {one.id: one for one in (GENERAL, PLANT, CLINIC)}
