-- From 4.19.0.0 to 4.20.0.0.

ALTER TABLE host ADD COLUMN arch varchar(8) NOT NULL DEFAULT 'x86_64';
