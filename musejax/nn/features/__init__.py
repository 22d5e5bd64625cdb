"""Input features of networks: how they are computed and what stands along their axes."""
