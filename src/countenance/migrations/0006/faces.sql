CREATE TABLE overviews (             -- what a plate's scan found, in one piece: hours of it are read at once
    scan INTEGER PRIMARY KEY REFERENCES scans(id) ON DELETE CASCADE,
    faces BLOB NOT NULL              -- faces/overview.py says how
) STRICT;
-- All that lists and counts of faces need: behind a picture in its row, a column is found only by reading the picture.
CREATE INDEX faces_listed ON faces (scan, frame, track, score, quality, mask_origin, rejections);
DROP INDEX faces_by_scan;
CREATE TABLE hidden_faces (          -- how much of a performer's face is hidden in a plate, as far as it was rendered
    scan INTEGER PRIMARY KEY REFERENCES scans(id) ON DELETE CASCADE,
    fractions BLOB NOT NULL          -- Float16 of every frame, 0-1; NaN where no face was drawn yet
) STRICT;
