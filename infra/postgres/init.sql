-- Run once by the postgres image in an empty cluster: one database for accounts, one for what is shared.
CREATE DATABASE user_psql;
CREATE DATABASE shared_psql;
