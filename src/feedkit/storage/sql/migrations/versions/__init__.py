"""The revisions, oldest first. A revision never imports `tables.py`, which moves on."""
