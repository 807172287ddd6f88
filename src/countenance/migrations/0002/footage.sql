CREATE TABLE timelines (             -- of clips and plates, by content
    sha256 TEXT PRIMARY KEY,
    frame_pts BLOB NOT NULL,         -- Int64 of every frame
    keyframes TEXT NOT NULL,         -- JSON list of frames at which decoding can begin
    shots TEXT NOT NULL              -- JSON list of the first frames of shots
) STRICT;
