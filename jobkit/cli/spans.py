"""Durations as options of the command line take them."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

import click

from jobkit.durations import parse_duration
from jobkit.redaction import mask_url


class Span(click.ParamType[timedelta]):
    """A duration that is longer than nothing: ``90s``, ``2h``, ``1h 30m``, or a number of seconds."""

    name = "duration"

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> timedelta:
        text = mask_url(str(value))  # the refusal repeats it
        try:
            duration = parse_duration(float(text) if text.replace(".", "", 1).isdigit() else text)
        except (TypeError, ValueError) as error:
            self.fail(str(error), param, ctx)
        if not duration:
            self.fail("a duration must be longer than nothing", param, ctx)
        return duration
