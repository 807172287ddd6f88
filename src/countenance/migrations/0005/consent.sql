CREATE TABLE approvals (
    digest TEXT PRIMARY KEY,
    result TEXT NOT NULL,            -- digest of what was decided on
    person TEXT NOT NULL,
    document TEXT NOT NULL,          -- the signed TOML, whole
    added_at TEXT NOT NULL
) STRICT;
