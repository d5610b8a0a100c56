"""The project package: the engine, its transports and the page furniture that all apps share."""
