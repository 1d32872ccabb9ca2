"""Pages that answer in a browser: an artifact, and what runs it there."""
