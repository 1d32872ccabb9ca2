"""The command edge-predict."""
