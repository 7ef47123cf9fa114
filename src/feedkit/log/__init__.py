"""The event log at work: who follows it, and who applies it."""
