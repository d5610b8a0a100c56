"""What CloudStack says of a cloud, and how it is told: the connection, its readings, and steps for runbooks."""
