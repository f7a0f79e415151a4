"""One self-contained HTML file that says what a run, or several on the same data, can do."""
