"""How good and how fast `edge-train` is on real tables, beside tree ensembles, linear models and other networks."""
