"""Tables in files: reading them, what their columns hold, which one to predict, and how the rows are split."""
