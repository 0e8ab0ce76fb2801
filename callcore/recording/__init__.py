"""Recording calls: started, paused and stopped by actions, finalised to files with metadata."""

from callcore.recording.recorder import Recorder
from callcore.recording.tap import MixMonitorTap, Tap

__all__ = ["MixMonitorTap", "Recorder", "Tap"]
