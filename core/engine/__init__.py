"""The engine: one loop that trains, predicts and evaluates every method."""
