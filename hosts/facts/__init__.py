"""What is read from hosts: one file per family of facts."""
