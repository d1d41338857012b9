"""Contract suites that outside models, metrics, sources and recipes can run on themselves."""
