"""What people read of a training run: one HTML page on the data, the training, and how good the network is."""
