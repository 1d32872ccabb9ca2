"""Whether a file computes what torch computes, and the certificate that says so."""
