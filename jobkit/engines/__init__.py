"""Engines: what carries "run N is ready" to whoever executes it."""
