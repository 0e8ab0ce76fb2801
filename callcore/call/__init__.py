"""The life of a call: pure rules, no clock, socket or database."""
