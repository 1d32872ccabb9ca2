"""The command edge-export."""
