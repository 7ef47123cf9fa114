"""Truth in SQLite or PostgreSQL, through SQLAlchemy Core. Nothing else in feedkit imports SQLAlchemy."""
