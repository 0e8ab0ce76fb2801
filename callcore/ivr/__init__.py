"""IVR trees: what a caller hears and presses before an agent answers."""
