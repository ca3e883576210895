"""What Freehold does with a Dify that runs: connects models, checks them from its side, saves, restores, upgrades."""
