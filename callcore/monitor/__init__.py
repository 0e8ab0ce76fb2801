"""Watching queues, agents and calls."""
