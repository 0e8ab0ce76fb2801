"""Commands of the `callcore` program, one file per group."""
