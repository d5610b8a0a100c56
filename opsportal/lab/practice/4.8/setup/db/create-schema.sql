-- The tables of a new installation.

CREATE TABLE version (
  id bigint unsigned NOT NULL AUTO_INCREMENT,
  version char(40) NOT NULL UNIQUE,
  updated datetime NOT NULL,
  step char(32) NOT NULL,
  PRIMARY KEY (id)
);

CREATE TABLE host (
  id bigint unsigned NOT NULL AUTO_INCREMENT,
  name varchar(255) NOT NULL,
  guid varchar(255) UNIQUE,
  PRIMARY KEY (id)
);
