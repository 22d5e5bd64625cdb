"""Input features of networks: their computation and the labels of their axes."""
