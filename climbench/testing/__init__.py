"""Contract suites that outside models can run on themselves."""
