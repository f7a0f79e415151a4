r"""The metrics' formulas in LaTeX, for people who want to see them; several share one.

s image score, m map value, y label (1 anomalous), t threshold; C_1 ... C_K true regions; t* the
threshold at which pixel F1 is highest. TP, FP, FN, TN count images or pixels.
"""

from __future__ import annotations

AUROC = (
    r"\frac{1}{n_1 n_0}\sum_{i:\,y_i=1}\ \sum_{j:\,y_j=0}"
    r"\left([v_i>v_j]+\tfrac12\,[v_i=v_j]\right)"
)
AP = r"\sum_{k}\,(R_k-R_{k-1})\,P_k"
F1_MAX = r"\max_t\ \frac{2\,\mathrm{TP}_t}{2\,\mathrm{TP}_t+\mathrm{FP}_t+\mathrm{FN}_t}"
IOU_MAX = r"\max_t\ \frac{\mathrm{TP}_t}{\mathrm{TP}_t+\mathrm{FP}_t+\mathrm{FN}_t}"
AUPRO = (
    r"\frac{1}{0.3}\int_0^{0.3}\mathrm{PRO}(f)\,\mathrm{d}f,\qquad "
    r"\mathrm{PRO}_t=\frac1K\sum_{k=1}^{K}\frac{|C_k\cap\{m\ge t\}|}{|C_k|}"
)
AUPIMO = (
    r"\frac{1}{n_1}\sum_{i:\,y_i=1}\ \frac{1}{\log(10^{-4}/10^{-5})}"
    r"\int_{\log 10^{-5}}^{\log 10^{-4}}\mathrm{TPR}_i(f)\ \mathrm{d}\log f"
)
MAD = (
    r"\tfrac17\left(\mathrm{AUROC}_I+\mathrm{AP}_I+F_{1,I}"
    r"+\mathrm{AUROC}_P+\mathrm{AP}_P+F_{1,P}+\mathrm{AU\text{-}PRO}\right)"
)
FPR_AT_95 = r"\min_t\,\{\mathrm{FPR}_t:\ \mathrm{TPR}_t\ge 0.95\}"
SENSITIVITY_AT_95 = r"\max_t\,\{\mathrm{TPR}_t:\ \mathrm{FPR}_t\le 0.05\}"
SPECIFICITY_AT_95 = r"1-\min_t\,\{\mathrm{FPR}_t:\ \mathrm{TPR}_t\ge 0.95\}"
MIN_SIZE = (
    r"\min\left\{a:\ \frac{\#\{k:\ |C_k|\ge a,\ \max_{C_k}m\ge t^*\}}"
    r"{\#\{k:\ |C_k|\ge a\}}\ge 0.9\right\}"
)
QUARTILE_RECALL = r"\frac{\#\{k\in Q:\ \max_{C_k}m\ge t^*\}}{\#Q}"
ARG_F1_MAX = r"\arg\max_t\ \frac{2\,\mathrm{TP}_t}{2\,\mathrm{TP}_t+\mathrm{FP}_t+\mathrm{FN}_t}"
CONFORMAL = r"s_{(\lceil (n+1)(1-\alpha)\rceil)}\ \ \text{of } n \text{ held-out normal scores}"

DICE = r"\frac{2\,\mathrm{TP}}{2\,\mathrm{TP}+\mathrm{FP}+\mathrm{FN}}\ \text{ at } t^*"
PRECISION = r"\frac{\mathrm{TP}}{\mathrm{TP}+\mathrm{FP}}\ \text{ at } t^*"
RECALL = r"\frac{\mathrm{TP}}{\mathrm{TP}+\mathrm{FN}}\ \text{ at } t^*"
SPECIFICITY = r"\frac{\mathrm{TN}}{\mathrm{TN}+\mathrm{FP}}\ \text{ at } t^*"
MCC = (
    r"\frac{\mathrm{TP}\cdot\mathrm{TN}-\mathrm{FP}\cdot\mathrm{FN}}"
    r"{\sqrt{(\mathrm{TP}+\mathrm{FP})(\mathrm{TP}+\mathrm{FN})"
    r"(\mathrm{TN}+\mathrm{FP})(\mathrm{TN}+\mathrm{FN})}}\ \text{ at } t^*"
)


def localisation(marks: float) -> str:
    """Share of regions found at so many false marks a normal image."""
    return (
        r"\frac{\#\{k:\ \text{a mark}\ \ge t\ \text{ on } C_k\}}{K},\qquad "
        rf"t=\min\,\{{t:\ \mathrm{{false\ marks}}_t/n_0\le {marks:g}\}}"
    )


def object_ap(iou: float) -> str:
    """Average precision of objects that meet a region by so much."""
    return rf"\sum_{{k}}\,(R_k-R_{{k-1}})\,P_k,\qquad \text{{a hit}}:\ \mathrm{{IoU}}\ge {iou:g}"
