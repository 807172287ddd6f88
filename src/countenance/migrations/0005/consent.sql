CREATE TABLE approvals (
    digest TEXT PRIMARY KEY,
    result TEXT NOT NULL,            -- digest of what was decided on
    person TEXT NOT NULL,
    document TEXT NOT NULL,          -- the signed TOML, whole
    added_at TEXT NOT NULL
) STRICT;
CREATE TABLE statements (
    release TEXT PRIMARY KEY,        -- digest of the release whose owner gave it
    nonce TEXT NOT NULL UNIQUE,      -- of the challenge that it answers
    video TEXT NOT NULL UNIQUE,      -- SHA-256 of the file, which is not kept
    template BLOB                    -- mean embedding of the face in it, Float32[128]; NULL once it is erased
) STRICT;
