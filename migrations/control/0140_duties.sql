-- What a user is there for: admin, read_only or support.
ALTER TABLE users ADD COLUMN duty TEXT NOT NULL DEFAULT 'admin';
