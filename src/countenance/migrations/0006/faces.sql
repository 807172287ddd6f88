CREATE TABLE overviews (             -- what a plate's scan found, in one piece: hours of it are read at once
    scan INTEGER PRIMARY KEY REFERENCES scans(id) ON DELETE CASCADE,
    faces BLOB NOT NULL              -- faces/overview.py says how
) STRICT;
CREATE TABLE hidden_faces (          -- how much of a performer's face is hidden in a plate, as far as it was rendered
    scan INTEGER PRIMARY KEY REFERENCES scans(id) ON DELETE CASCADE,
    fractions BLOB NOT NULL          -- Float16 of every frame, 0-1; NaN where no face was drawn yet
) STRICT;
