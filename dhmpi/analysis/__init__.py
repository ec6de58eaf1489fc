"""Analysis: what people see of results files."""
