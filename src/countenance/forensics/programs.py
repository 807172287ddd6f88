"""Which program a file says that it was written by, and what that commonly means."""

import re
from collections.abc import Iterable
from dataclasses import dataclass

from countenance.forensics.seen import quoted


@dataclass(frozen=True, kw_only=True, slots=True)
class Program:
    """Programs of one sort, by what they write into files."""

    pattern: str
    """Regular expression; capitals don't count."""
    meaning: str
    """Goes on after "A text in it names X, "; innocent uses first."""


EDITOR = (
    "a program to edit video. Most people cut, correct colours or put titles with it, and some change what is seen."
)
PICTURE_EDITOR = (
    "a program to edit pictures. Most people crop, turn or correct colours with it, and some change what is seen."
)
CONVERTER = (
    "a program to convert video. People make files smaller with it; the frames were encoded again or repacked, so this "
    "isn't the file as a camera wrote it."
)
PROGRAMS = (
    Program(
        pattern=r"\bLav[cf]\s?\d|\bffmpeg\b",
        meaning="a library inside most web sites, messengers, converters and editors. So this isn't the file as a "
        "camera wrote it; who used it, and for what, it doesn't say.",
    ),
    Program(
        pattern=r"handbrake|shutter encoder|format factory|any video converter|videoproc|mkvtoolnix|mkvmerge|gpac|"
        r"mp4box|l-smash|bento4|avidemux|virtualdub|xmedia recode",
        meaning=CONVERTER,
    ),
    Program(
        pattern=r"\bx26[45]\b",
        meaning="an encoder that programs and web sites use, and hardly any camera. So the frames were encoded by a "
        "program; sending or uploading a clip does this.",
    ),
    Program(
        pattern=r"premiere|after effects|media encoder|final cut|imovie|davinci|resolve|vegas pro|sony vegas|magix|"
        r"kdenlive|shotcut|\bmlt\b|openshot|olive editor|flowblade|capcut|jianying|inshot|kinemaster|filmora|"
        r"powerdirector|camtasia|avid media|lightworks|clipchamp|veed|vn video|videoleap|splice|lumafusion|"
        r"movie maker|hitfilm|pitivi|blender|nuke|natron|edius|videostudio|viva video|vivavideo|youcut",
        meaning=EDITOR,
    ),
    Program(
        pattern=r"photoshop|lightroom|camera raw|gimp|affinity|pixelmator|snapseed|picsart|canva|paint\.net|krita|"
        r"photopea|capture one|darktable|rawtherapee|luminar|acdsee|irfanview|xnview|corel|paintshop|photoscape|pixlr|"
        r"vsco|polarr|faststone|imagemagick|preview \d|microsoft photo|paint 3d",
        meaning=PICTURE_EDITOR,
    ),
    Program(
        pattern=r"facetune|faceapp|meitu|beautyplus|youcam|\bb612\b|airbrush|perfect365|reface|remini|\bsnow\b",
        meaning="a program that smooths, reshapes or exchanges faces. People beautify their own portraits with it.",
    ),
    Program(
        pattern=r"stable diffusion|comfyui|automatic1111|invokeai|midjourney|dall.?e|openai|firefly|\bimagen\b|novelai|"
        r"runwayml|\bsora\b|deepfacelab|deepfacelive|faceswap|roop|facefusion|leonardo\.ai|synthid",
        meaning="a program that makes or alters pictures by a model that learned from others. Anybody can write such "
        "a text.",
    ),
    Program(
        pattern=r"\bobs\b|screenrecord|screen record|bandicam|fraps|shadowplay|captura|replaykit|quicktime player",
        meaning="a program that records or plays what a screen shows. A recording of a screen shows what was played "
        "there, not what happened before a camera.",
    ),
    Program(pattern=r"\bcountenance\b", meaning="a program that replaces faces with their owners' consent."),
)
"""In this order; a text may fit several."""


def seen_programs(texts: Iterable[str]) -> tuple[str, ...]:
    """A sentence for each program that any of the texts names, each program's sort once."""
    found: dict[str, str] = {}
    for text in texts:
        for program in PROGRAMS:
            if program.meaning not in found and re.search(program.pattern, text, re.IGNORECASE):
                found[program.meaning] = f"A text in it names “{quoted(text)}”: {program.meaning}"
    return tuple(found.values())
