CREATE TABLE people (
    name TEXT PRIMARY KEY,
    template BLOB NOT NULL,          -- mean embedding of the reference pictures, Float32[128]
    created_at TEXT NOT NULL
) STRICT;
CREATE TABLE releases (
    digest TEXT PRIMARY KEY,
    person TEXT NOT NULL REFERENCES people(name),
    role TEXT NOT NULL CHECK (role IN ('likeness', 'performer')),
    document TEXT NOT NULL,          -- the signed TOML, whole
    revocation TEXT,                 -- the signed TOML that ended it, if any
    added_at TEXT NOT NULL
) STRICT;
