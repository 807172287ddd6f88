"""Why a face is left out, in words, and what to do about it."""

from collections.abc import Mapping

from countenance.types import Rejection

REASONS: Mapping[Rejection, tuple[str, str]] = {
    "small": (
        "The face is too small in its frame.",
        "Shoot closer, or keep it; the limit is the setting prepare.min_size_px.",
    ),
    "blurred": (
        "The face is out of focus.",
        "Keep it if it shows something that no sharp face does; the limit is prepare.min_sharpness.",
    ),
    "moving": (
        "Motion blurs the face along one direction.",
        "Shoot with a shorter exposure, or keep it; the limit is prepare.max_motion_blur.",
    ),
    "dark": ("The face is too dark.", "Shoot with more light, or keep it; the limit is prepare.min_brightness."),
    "overexposed": (
        "Parts of the face are burnt out.",
        "Shoot with less light, or keep it; the limit is prepare.max_clipped_fraction.",
    ),
    "turned": (
        "The head is turned so far that little of the face is seen.",
        "Leave it out, unless films need it; the limits are prepare.max_yaw_deg and prepare.max_pitch_deg.",
    ),
    "covered": (
        "Something hides too much of the face.",
        "Look at its mask: if it leaves out what is seen, paint it right; the limit is prepare.max_occluded_fraction.",
    ),
    "misfit": (
        "The mesh sits badly on the face.",
        "Nudge its landmarks, then keep it; the limit is prepare.min_score.",
    ),
    "cut off": (
        "The edge of the picture cuts the face off.",
        "Leave it out, or keep it; the limit is prepare.min_visible_fraction.",
    ),
    "unsure who": ("It isn't decided whose face this is.", "Answer for its track under Unsure."),
    "alike": (
        "It is nearly the same as a better face of its track.",
        "Nothing is lost: no picture of it is stored. The limit is prepare.min_difference.",
    ),
    "spare": (
        "There are more faces than asked for, and others bring more variety.",
        "Keep it, or raise prepare.max_faces.",
    ),
    "dropped": ("You dropped it.", "Keep it, or withdraw your decision."),
}
"""By reason: what is wrong, and the remedy; sentences."""
