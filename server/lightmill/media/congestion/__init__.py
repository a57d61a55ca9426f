"""What networks take, and what to do with it: estimates, rates, renditions, picture sizes. Pure."""
