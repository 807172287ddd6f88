CREATE TABLE runs (
    id TEXT PRIMARY KEY,
    verb TEXT NOT NULL,
    facts TEXT NOT NULL,             -- JSON: resolved config, seed, versions, input digests
    permit_digest TEXT NOT NULL,
    started_at TEXT NOT NULL,
    ended_at TEXT,
    outcome TEXT
) STRICT;
