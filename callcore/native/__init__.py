"""The audio path in C: RTP, jitter, G.711, VAD, tones; `_audio` is its Python face."""
