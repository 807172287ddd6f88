"""The camera: from the light of a scene to frames as somebody filmed them. Knows no actors and no project."""
