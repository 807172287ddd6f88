CREATE TABLE scans (                 -- how far a person's faces have been looked for in a video or picture
    id INTEGER PRIMARY KEY,
    person TEXT NOT NULL,
    sha256 TEXT NOT NULL,
    purpose TEXT NOT NULL CHECK (purpose IN ('prepare', 'generate')),
    settings TEXT NOT NULL,          -- JSON; with other settings the scan begins anew
    frame_pts BLOB NOT NULL,         -- Int64 of every frame seen so far
    state TEXT NOT NULL DEFAULT 'looking' CHECK (state IN ('looking', 'found', 'decided')),
    UNIQUE (person, sha256, purpose)
) STRICT;
CREATE TABLE faces (
    id INTEGER PRIMARY KEY,
    scan INTEGER NOT NULL REFERENCES scans(id) ON DELETE CASCADE,
    frame INTEGER NOT NULL,
    shot INTEGER NOT NULL,           -- frame at which its shot begins
    landmarks BLOB NOT NULL,         -- Float32[468 3]
    score REAL NOT NULL,
    quality TEXT NOT NULL,           -- JSON of FaceQuality
    crop BLOB,                       -- PNG; gone once it isn't needed to learn from
    track INTEGER,
    distance REAL,                   -- of its track's embedding to the person's template
    rejections TEXT                  -- JSON list, empty for a kept face, NULL until decided
) STRICT;
CREATE INDEX faces_by_scan ON faces (scan, frame);
CREATE TABLE face_sets (
    person TEXT PRIMARY KEY,
    digest TEXT NOT NULL,
    permit_digest TEXT NOT NULL,
    release_digests TEXT NOT NULL,   -- JSON list: those under which the faces were prepared
    num_faces INTEGER NOT NULL,
    made_at TEXT NOT NULL
) STRICT;
