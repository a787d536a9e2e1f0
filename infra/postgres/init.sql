-- Run once by the postgres image in an empty cluster: one database for accounts, one for what is shared.
CREATE DATABASE user_psql ENCODING 'UTF8' TEMPLATE template0;
CREATE DATABASE shared_psql ENCODING 'UTF8' TEMPLATE template0;
