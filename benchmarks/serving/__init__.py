"""The example's network behind other servers, as their own documentation says."""
