"""The run store on PostgreSQL."""

from __future__ import annotations
