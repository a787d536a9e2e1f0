-- Run once by the postgres image in an empty cluster, as its superuser: a role for each service, and one that owns two
-- databases, of accounts and of what is shared. `botberi migrate` gives the roles their rights (shared_schema/roles.py).
\set ON_ERROR_STOP on
\getenv owner OWNER_PASSWORD
\getenv identity IDENTITY_PASSWORD
\getenv catalog CATALOG_PASSWORD
\getenv instance INSTANCE_PASSWORD
\getenv broker BROKER_PASSWORD
\getenv dispatcher DISPATCHER_PASSWORD
\getenv worker WORKER_PASSWORD
\getenv identity_worker IDENTITY_WORKER_PASSWORD
CREATE ROLE botberi_owner LOGIN PASSWORD :'owner';
CREATE ROLE botberi_identity LOGIN PASSWORD :'identity';
CREATE ROLE botberi_catalog LOGIN PASSWORD :'catalog';
CREATE ROLE botberi_instance LOGIN PASSWORD :'instance';
CREATE ROLE botberi_broker LOGIN PASSWORD :'broker';
CREATE ROLE botberi_dispatcher LOGIN PASSWORD :'dispatcher';
CREATE ROLE botberi_worker LOGIN PASSWORD :'worker';
CREATE ROLE botberi_identity_worker LOGIN PASSWORD :'identity_worker';
-- Owns pgmq's queue where there is no RabbitMQ; here it owns nothing.
CREATE ROLE botberi_queue NOLOGIN;
GRANT botberi_queue TO botberi_dispatcher, botberi_worker, botberi_identity_worker;
CREATE DATABASE user_psql OWNER botberi_owner ENCODING 'UTF8' TEMPLATE template0;
CREATE DATABASE shared_psql OWNER botberi_owner ENCODING 'UTF8' TEMPLATE template0;
