"""`make run`: a whole portal on one machine, as one process that starts, watches and ends all others."""
