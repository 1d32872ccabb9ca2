"""From rows, in every form in which they are passed, to the tensors that a model takes."""
