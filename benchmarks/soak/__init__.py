"""Hours of use in a quarter of one: everything at once, every answer checked, and memory watched."""
