-- Who acts with a sign-in for whom it is of, and why; empty where nobody but the owner does.
ALTER TABLE api_sessions ADD COLUMN actor TEXT NOT NULL DEFAULT '';
ALTER TABLE api_sessions ADD COLUMN reason TEXT NOT NULL DEFAULT '';
-- For whom the caller of a revision acted.
ALTER TABLE revisions ADD COLUMN on_behalf_of TEXT;
