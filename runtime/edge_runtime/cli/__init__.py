"""The command `edge-predict`."""
