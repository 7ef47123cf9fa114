"""Timelines in Redis or Valkey: shared by all processes, delivered to once, lost without harm."""
