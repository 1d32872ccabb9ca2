"""From the rows that people pass to the tensors that a model takes."""
