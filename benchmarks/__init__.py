"""What the runtime costs beside every other way of running the same networks: `python -m benchmarks`."""
