"""What a benchmark tool printed, as measurements: recognised by content, mapped to ids, flagged where physics says no."""

from catalog.importers.runs.adopt import Adopted, Labels, adopt, flagged, write_measurements
from catalog.importers.runs.recognise import read_runs
from catalog.importers.runs.run import Run, Runs

__all__ = ["Adopted", "Labels", "Run", "Runs", "adopt", "flagged", "read_runs", "write_measurements"]
