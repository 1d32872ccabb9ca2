"""From a captured program to the bytes of a file."""
