"""Fan-out: which way a post goes to its readers, how it is delivered, how timelines are rebuilt."""
