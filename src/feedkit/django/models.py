"""None: feedkit makes its own tables. Django announces migrations only to apps that have this file."""
