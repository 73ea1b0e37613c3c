-- What is shown of a sign-in. `number` names it: its id is half of the refresh token and stays hidden.
ALTER TABLE api_sessions ADD COLUMN number BIGINT NOT NULL DEFAULT 0;
ALTER TABLE api_sessions ADD COLUMN peer TEXT NOT NULL DEFAULT '';
ALTER TABLE api_sessions ADD COLUMN user_agent TEXT NOT NULL DEFAULT '';
ALTER TABLE api_sessions ADD COLUMN last_used_at BIGINT NOT NULL DEFAULT 0;
ALTER TABLE api_sessions ADD COLUMN last_used_from TEXT NOT NULL DEFAULT '';
-- Those that stand already.
UPDATE api_sessions SET number = (SELECT COUNT(*) FROM api_sessions o WHERE o.id <= api_sessions.id), last_used_at = created_at;
CREATE UNIQUE INDEX api_sessions_by_number ON api_sessions (number);
