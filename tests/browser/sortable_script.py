"""A page with nothing but sortable tables, on made-up rows; run by test_classes.py."""

from __future__ import annotations

import streamlit as st

from dashboard import theme
from dashboard.components.sortable import Column, Entry, Row, sortable

VALUES = {"nine": 9.0, "ten": 10.0, "hundred": 100.0, "none": None, "two": 2.0}

theme.apply()
columns = [Column("Name", left=True, help="what it is called"), Column("Value"), Column("Note")]
rows = [
    Row(
        name,
        (
            Entry(name, name),
            Entry("–" if value is None else f"{value:g}", value, "1 to 2", bar=((0.5, "#009e73"),)),
            Entry('=cmd|"x", <b>', href="elsewhere?a=1"),
        ),
        href=f"?row={name}",
    )
    for name, value in VALUES.items()
]
rows.append(Row("mean", (Entry("mean"), Entry("50", 50.0), Entry("")), fixed=True))
picked = sortable(columns, rows, "few", caption="Numbers", sort=1, current="ten", picks=True,
                  csv="few.csv")  # fmt: skip
st.write(f"picked {picked}")

wide = [Column("Class", left=True), *(Column(f"Metric {i}") for i in range(20))]
many = [
    Row(f"row {i}", (Entry(f"row {i}"), *(Entry(f"{i * j % 97}", i * j % 97, "low to high",
        ground="rgba(14,124,147,.2)") for j in range(20))))
    for i in range(60)
]  # fmt: skip
sortable(wide, many, "many", caption="Sixty by twenty", most="400px")
