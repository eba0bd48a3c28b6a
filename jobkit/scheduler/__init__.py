"""Which ticks are due and what becomes of each: the rules, the parts that serve, and who tells why."""
