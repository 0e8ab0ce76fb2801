"""Measurements of a real callcore beside Asterisk's own Queue(), on one machine in one run."""
