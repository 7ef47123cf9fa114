"""Adopting what a host already has: users, follows and posts by the hundred thousand, a chunk per transaction."""
