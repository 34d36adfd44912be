"""Archives: what lies below a prefix or in a manifest, and which of it is asked about."""
