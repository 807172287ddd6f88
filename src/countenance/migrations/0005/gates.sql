-- Footage that passed the gate for intimate content; what didn't isn't remembered.
CREATE TABLE passed_footage (
    sha256 TEXT NOT NULL PRIMARY KEY,
    gate TEXT NOT NULL,              -- which net and rule let it pass
    num_frames INTEGER NOT NULL,     -- so many were looked at
    highest_score REAL NOT NULL      -- 0-1
) STRICT;
