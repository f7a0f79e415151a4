"""The queue of runs, the supervisor that starts them, and how a run is launched."""
