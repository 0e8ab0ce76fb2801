"""The lab: SIP callers and phones with real audio, for the demo, the tests and the benchmarks."""
