"""From a torch module to a captured program: its graph, and the names and shapes of its tensors."""
