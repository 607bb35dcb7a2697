-- The role that geoingest works as: it logs in, makes schemas in one database, and can do nothing else.
--
--   psql --dbname=gis --variable=role=geoingest --file=postgis_role.sql     (as a superuser, once)
--   \password geoingest                                                     (in psql: so that no file or log has it)
--
-- Nothing durable is kept in the database: one schema a run, unlogged, dropped when the run is over.

\set ON_ERROR_STOP on
CREATE EXTENSION IF NOT EXISTS postgis;
CREATE ROLE :"role" LOGIN NOSUPERUSER NOCREATEDB NOCREATEROLE NOREPLICATION NOBYPASSRLS;
SELECT current_database() AS database \gset
REVOKE CREATE, TEMPORARY ON DATABASE :"database" FROM PUBLIC;
REVOKE CREATE ON SCHEMA public FROM PUBLIC;
GRANT CONNECT, CREATE ON DATABASE :"database" TO :"role";
REVOKE ALL ON spatial_ref_sys FROM PUBLIC;
GRANT SELECT ON spatial_ref_sys TO :"role";
