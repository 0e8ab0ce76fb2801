"""RTP streams that callcore itself hears or speaks: the Python face of `native/`."""
