-- What a key may do besides its role: JSON lists; '' does not narrow it.
ALTER TABLE api_keys ADD COLUMN scopes TEXT NOT NULL DEFAULT '';
ALTER TABLE api_keys ADD COLUMN domains TEXT NOT NULL DEFAULT '';
ALTER TABLE api_keys ADD COLUMN allow_from TEXT NOT NULL DEFAULT '';
-- The address of the last use.
ALTER TABLE api_keys ADD COLUMN last_used_from TEXT NOT NULL DEFAULT '';
