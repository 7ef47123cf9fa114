"""Writing: the verbs that change something, one file per noun. Each commits its event with its change."""
