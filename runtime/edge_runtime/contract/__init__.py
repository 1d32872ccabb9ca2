"""What training, export and the runtime agree on: formats, rules and errors. It needs only numpy."""
