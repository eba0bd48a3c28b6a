"""Plugins: what is registered, how its hooks are called, and what a broken one may not do."""
