CREATE TABLE clips (
    id INTEGER PRIMARY KEY,
    person TEXT NOT NULL,
    sha256 TEXT NOT NULL,
    path TEXT NOT NULL,
    num_frames INTEGER NOT NULL,
    description TEXT NOT NULL,       -- JSON
    collected_at TEXT NOT NULL,
    UNIQUE (person, sha256)
) STRICT;
