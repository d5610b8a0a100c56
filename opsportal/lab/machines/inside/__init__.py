"""Programs that run inside a simulated host. They import nothing of the portal: there they stand alone."""
