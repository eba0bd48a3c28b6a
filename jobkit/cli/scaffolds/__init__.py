"""Files that `jobkit init` and `jobkit new` write for people to keep: texts, and how they reach the disk."""
