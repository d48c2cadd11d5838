"""Model folders: manifest, weights, networks."""
