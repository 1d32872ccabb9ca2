"""The training loop: settings, batches, steps, early stopping, and progress that can be resumed."""
