-- Faces were found and judged otherwise before: they are looked for anew.
DROP TABLE faces;
DROP TABLE scans;
DELETE FROM face_sets;
CREATE TABLE scans (                 -- one person's faces in a clip or plate
    id INTEGER PRIMARY KEY,
    person TEXT NOT NULL,
    sha256 TEXT NOT NULL,
    purpose TEXT NOT NULL CHECK (purpose IN ('prepare', 'generate')),
    settings TEXT NOT NULL,          -- JSON; with other settings the scan begins anew
    state TEXT NOT NULL DEFAULT 'looking' CHECK (state IN ('looking', 'found')),
    UNIQUE (person, sha256, purpose)
) STRICT;
CREATE TABLE stretches (             -- parts of a clip that were looked at whole
    scan INTEGER NOT NULL REFERENCES scans(id) ON DELETE CASCADE,
    first INTEGER NOT NULL,          -- frame
    num_others INTEGER NOT NULL,     -- faces of other people, of which nothing is kept
    PRIMARY KEY (scan, first)
) STRICT;
CREATE TABLE tracks (                -- one face followed through a shot
    id INTEGER PRIMARY KEY,
    scan INTEGER NOT NULL REFERENCES scans(id) ON DELETE CASCADE,
    shot INTEGER NOT NULL,           -- frame at which its shot begins
    distance REAL NOT NULL,          -- of its mean embedding to what is known of the person
    margin REAL NOT NULL,            -- how much further away the nearest other is
    num_embedded INTEGER NOT NULL,   -- faces behind that mean
    embedding BLOB NOT NULL          -- Float32[128]
) STRICT;
CREATE INDEX tracks_by_scan ON tracks (scan);
CREATE TABLE faces (
    id INTEGER PRIMARY KEY,
    scan INTEGER NOT NULL REFERENCES scans(id) ON DELETE CASCADE,
    track INTEGER NOT NULL REFERENCES tracks(id) ON DELETE CASCADE,
    frame INTEGER NOT NULL,
    landmarks BLOB NOT NULL,         -- Float32[468 3]
    score REAL NOT NULL,
    quality TEXT NOT NULL,           -- JSON of FaceQuality
    crop BLOB,                       -- PNG; NULL where nothing will be learned from it
    mask BLOB,                       -- PNG of what is seen of the face, beside the crop
    mask_origin TEXT CHECK (mask_origin IN ('segmenter', 'hull', 'hand')),
    rejections TEXT                  -- JSON list, empty for a kept face, NULL until decided
) STRICT;
CREATE INDEX faces_by_scan ON faces (scan, frame);
CREATE INDEX faces_by_track ON faces (track);
CREATE TABLE answers (               -- what the user said of faces; holds when they are looked for anew
    id INTEGER PRIMARY KEY,          -- a later one goes before an earlier one
    person TEXT NOT NULL,
    sha256 TEXT NOT NULL,
    frame INTEGER NOT NULL,
    x REAL NOT NULL,                 -- middle of the face's box, pixels of the frame
    y REAL NOT NULL,
    word TEXT NOT NULL CHECK (word IN ('yes', 'no', 'keep', 'drop')),
    said_at TEXT NOT NULL
) STRICT;
