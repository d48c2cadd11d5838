"""Training autoencoders and classifiers."""
