"""Reading: what a viewer gets to see, one file per surface."""
