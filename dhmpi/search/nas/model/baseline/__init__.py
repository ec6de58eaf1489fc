"""Spaces of architectures, ready for use; each module holds `create_structure`."""
