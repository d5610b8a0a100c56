-- From 4.7.0 to 4.7.1.

ALTER TABLE host MODIFY COLUMN name varchar(255) NOT NULL;
