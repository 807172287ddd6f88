ALTER TABLE log ADD COLUMN signature TEXT;  -- over project, number and digest, by the key that the entry names; NULL in entries of earlier versions
