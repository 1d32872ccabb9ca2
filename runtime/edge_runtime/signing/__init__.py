"""Whether a model was signed by someone who is trusted: OpenSSF model-signing's format, with keys and no network."""
