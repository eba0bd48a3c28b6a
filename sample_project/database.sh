#!/bin/sh
# Executed once by the image of the database, when its volume is new: a role that owns one database, and has
# no other rights.
set -eu
psql --set=ON_ERROR_STOP=1 --set=password="$SITE_PASSWORD" --username=postgres --dbname=postgres <<'SQL'
create role site login password :'password';
create database site owner site encoding 'UTF8' template template0;
revoke connect on database site from public;
SQL
