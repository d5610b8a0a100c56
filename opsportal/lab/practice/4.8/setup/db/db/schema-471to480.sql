-- From 4.7.1 to 4.8.0.

ALTER TABLE host ADD COLUMN last_seen datetime;
