"""Programs of a management server in the lab. They import nothing of the portal: there they stand alone."""
