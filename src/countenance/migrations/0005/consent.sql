CREATE TABLE statements (
    release TEXT PRIMARY KEY,        -- digest of the release whose owner gave it
    nonce TEXT NOT NULL UNIQUE,      -- of the challenge that it answers
    video TEXT NOT NULL UNIQUE,      -- SHA-256 of the file, which is not kept
    template BLOB                    -- mean embedding of the face in it, Float32[128]; NULL once it is erased
) STRICT;
