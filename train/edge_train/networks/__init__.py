"""The networks that are trained, and the checkpoints that hold them."""
