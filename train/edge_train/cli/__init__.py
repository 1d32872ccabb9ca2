"""The command edge-train."""
