CREATE TABLE overviews (             -- what a plate's scan found, in one piece: hours of it are read at once
    scan INTEGER PRIMARY KEY REFERENCES scans(id) ON DELETE CASCADE,
    faces BLOB NOT NULL              -- faces/overview.py says how
) STRICT;
