-- All that lists and counts of faces need: behind a picture in its row, a column is found only by reading the picture.
CREATE INDEX faces_listed ON faces (scan, frame, track, score, quality, mask_origin, rejections);
DROP INDEX faces_by_scan;
