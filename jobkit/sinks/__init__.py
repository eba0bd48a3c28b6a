"""Sinks: what is given every finished run, and how it gets there – whatever is down, slow or killed."""
