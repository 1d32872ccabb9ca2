"""What people read of an export: the HTML page, its figures, and a script that shows a mismatch."""
