"""The dashboards: plain queries in .sql files, and the bundle for Apache Superset with the command that runs it."""
