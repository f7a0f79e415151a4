"""What pages show: cards, tables, the viewer."""
