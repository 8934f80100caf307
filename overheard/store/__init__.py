"""What Overheard remembers: tables, sessions, migrations. SQLite by default, PostgreSQL in production."""
