ALTER TABLE stretches ADD COLUMN nearest_other REAL;  -- distance of the nearest of them, NULL where there is none
ALTER TABLE tracks ADD COLUMN is_decided INTEGER NOT NULL DEFAULT 0;  -- whether it is the person's by a user's decision
-- Faces are searched for more thoroughly, and second faces of a person in a frame are no longer deleted: plates, and clips
-- in which nobody was found, are scanned again.
DELETE FROM scans
WHERE purpose = 'generate' OR NOT EXISTS (SELECT 1 FROM faces WHERE faces.scan = scans.id);
