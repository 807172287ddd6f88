CREATE TABLE published (
    sha256 TEXT PRIMARY KEY,
    path TEXT NOT NULL,
    manifest_digest TEXT NOT NULL,
    plate_sha256 TEXT NOT NULL,
    permit_digest TEXT NOT NULL,
    salt TEXT NOT NULL,              -- hex; opens the salted release digests in the credentials
    facts TEXT NOT NULL,             -- JSON
    log_index INTEGER NOT NULL,
    published_at TEXT NOT NULL
) STRICT;
