"""The way between a hospital's archive and the service: radiographs in, explanations back into their studies."""
