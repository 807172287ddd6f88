"""What a face set covers and lacks, measured, advised and shown."""
