"""Which ticks are due, and what becomes of each: rules without a clock, a store or an event loop."""
