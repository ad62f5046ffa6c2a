"""How the weights of the pocket models are made; not shipped."""
