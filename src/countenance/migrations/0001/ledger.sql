CREATE TABLE log (
    number INTEGER PRIMARY KEY,
    entry TEXT NOT NULL,             -- canonical JSON, the previous entry's digest inside
    digest TEXT NOT NULL
) STRICT;
