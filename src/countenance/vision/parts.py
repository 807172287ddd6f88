"""The parts of an image, as values of a label map."""

from enum import IntEnum


class Part(IntEnum):
    """What the centre of a pixel shows."""

    BACKGROUND = 0
    SKIN = 1
    """Of the face."""
    BROW = 2
    EYE = 3
    LASH = 4
    LIPS = 5
    MOUTH = 6
    """Inside: teeth, gums, tongue and all behind the lips."""
    HAIR = 7
    EAR = 8
    NECK = 9
    """And all skin beside the face."""
    CLOTH = 10
    BEARD = 11
    OCCLUDER = 12
    """A hand or an object in front."""
    GLASSES = 13


FACE_PARTS = (Part.SKIN, Part.BROW, Part.EYE, Part.LASH, Part.LIPS, Part.MOUTH, Part.BEARD)
"""Parts that make up the face that would be replaced."""
