-- Who may do what in a folder (RFC 4314); '' says: its owner anything, nobody else anything.
ALTER TABLE folders ADD COLUMN acl TEXT NOT NULL DEFAULT '';
