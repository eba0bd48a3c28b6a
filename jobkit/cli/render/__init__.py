"""How things look in a terminal: tables, bars, sparklines, times, errors.

Everything here is a pure function of its arguments: what the terminal can do is given as a
:class:`~jobkit.cli.render.terminal.Terminal`, the time as an instant. Nothing here writes.
"""
