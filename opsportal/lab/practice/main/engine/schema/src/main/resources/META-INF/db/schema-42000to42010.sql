-- From 4.20.0.0 to 4.20.1.0.

CREATE INDEX host_name ON host (name);
