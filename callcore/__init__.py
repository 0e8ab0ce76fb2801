"""callcore: the brain of a call centre beside Asterisk."""

__version__ = "0.1.0"
