"""How fast the facade is, beside what a user would pick instead: one module per kind of measurement."""
