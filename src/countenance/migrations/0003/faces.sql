ALTER TABLE face_sets ADD COLUMN crop_size INTEGER NOT NULL DEFAULT 256;  -- side of its crops in pixels
-- Scans without a face that would be stored larger now are as they would be made today.
UPDATE scans SET settings = replace(settings, '"crop_size": 256', '"crop_size": 1024')
WHERE NOT EXISTS (
    SELECT 1 FROM faces
    WHERE faces.scan = scans.id AND crop IS NOT NULL AND json_extract(quality, '$.size_px') >= 362
);
