"""The commands of `python -m core`, one file a group; `core.cli` finds them by themselves."""
