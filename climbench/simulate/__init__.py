"""The embedded planet: small physical models that make data offline."""
