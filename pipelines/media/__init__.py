"""From a local file to uint8 tiles: probe, sampling, decode (sandboxed), tiling."""
