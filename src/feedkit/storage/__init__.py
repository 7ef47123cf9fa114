"""Where feedkit keeps things: truth (SQL) and materialisations (timelines, caches)."""
