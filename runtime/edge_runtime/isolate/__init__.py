"""Untrusted models, in a process of their own with bounds on memory and time: `IsolatedPredictor`."""
