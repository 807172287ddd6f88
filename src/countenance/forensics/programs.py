"""Which program a file says that it was written by, and what that commonly means."""

import re
from collections.abc import Iterable
from dataclasses import dataclass

from countenance.forensics.seen import quoted


@dataclass(frozen=True, kw_only=True, slots=True)
class Program:
    """Programs of one sort, by what they write into files."""

    pattern: str
    """Regular expression of names that stand anywhere, with no letter before or after; capitals don't count."""
    meaning: str
    """Goes on after "A text in it names X, "; innocent uses first."""
    words: str = ""
    """Names that are ordinary words, too; they count where the whole text is the name, perhaps with a version."""


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
        pattern=r"Lav[cf]\s?\d+|ffmpeg",
        meaning="a library inside most web sites, messengers, converters and editors. So this isn't the file as a "
        "camera wrote it; who used it, and for what, it doesn't say.",
    ),
    Program(
        pattern=r"handbrake|shutter encoder|format ?factory|any video converter|videoproc|mkvtoolnix|mkvmerge|gpac|"
        r"mp4box|l-smash|bento4|avidemux|virtualdub|xmedia recode",
        meaning=CONVERTER,
    ),
    Program(
        pattern=r"x26[45]",
        meaning="an encoder that programs and web sites use, and hardly any camera. So the frames were encoded by a "
        "program; sending or uploading a clip does this.",
    ),
    Program(
        pattern=r"adobe premiere|premiere (?:pro|elements|rush)|adobe after effects|after effects (?:cc|\d+)|"
        r"media encoder|final cut pro|imovie|davinci|blackmagic resolve|vegas pro|sony vegas|magix|kdenlive|shotcut|"
        r"mlt|openshot|olive editor|flowblade|capcut|jianying|inshot|kinemaster|filmora|powerdirector|camtasia|"
        r"avid media|lightworks|clipchamp|veed|vn video|videoleap|lumafusion|windows (?:live )?movie maker|hitfilm|"
        r"pitivi|nukex|edius|videostudio|viva ?video|youcut",
        words=r"premiere|after effects|final cut|resolve|movie maker|splice|blender|nuke|natron",
        meaning=EDITOR,
    ),
    Program(
        pattern=r"photoshop|lightroom|camera raw|gimp|affinity (?:photo|designer|publisher)|pixelmator|snapseed|"
        r"picsart|canva|paint\.net|krita|photopea|capture one (?:pro|express|\d+)|darktable|rawtherapee|luminar|acdsee|"
        r"irfanview|xnview(?:mp)?|corel(?:draw)?|paintshop(?:pro)?|photoscape|pixlr|vsco(?:cam)?|polarr|faststone|"
        r"imagemagick|preview \d+|microsoft (?:windows )?photos?|paint 3d",
        words=r"affinity|capture one",
        meaning=PICTURE_EDITOR,
    ),
    Program(
        pattern=r"facetune|faceapp|meitu(?:pic)?|beautyplus|youcam|b612|perfect365|reface|remini",
        words=r"airbrush|snow",
        meaning="a program that smooths, reshapes or exchanges faces. People beautify their own portraits with it.",
    ),
    Program(
        pattern=r"stable ?diffusion|comfyui|automatic1111|invokeai|midjourney|dall[-·•]e|openai|adobe firefly|"
        r"google imagen|novelai|runwayml|deepfacelab|deepfacelive|faceswap|roop[-_ ]unleashed|facefusion|leonardo\.ai|"
        r"synthid",
        words=r"dalle|firefly|imagen|sora|roop",
        meaning="a program that makes or alters pictures by a model that learned from others. Anybody can write such "
        "a text.",
    ),
    Program(
        pattern=r"obs[- ]studio|screen ?record(?:er|ing)?|bandicam|fraps|shadowplay|replaykit",
        words=r"obs|captura",
        meaning="a program that records what a screen shows. A recording of a screen shows what was played "
        "there, not what happened before a camera.",
    ),
    Program(
        pattern=r"quicktime player",
        meaning="a player that also trims and converts clips, and records cameras and screens. Most people trim with "
        "it what a camera recorded; a recording of a screen shows what was played there.",
    ),
    Program(pattern=r"countenance", meaning="a program that replaces faces with their owners' consent."),
)
"""In this order; a text may fit several."""


def seen_programs(texts: Iterable[str]) -> tuple[str, ...]:
    """A sentence for each program that any of the texts names, each program's sort once."""
    found: dict[str, str] = {}
    for text in texts:
        for program in PROGRAMS:
            if program.meaning not in found and _is_named(program, text):
                found[program.meaning] = f"A text in it names “{quoted(text)}”: {program.meaning}"
    return tuple(found.values())


def _is_named(program: Program, text: str) -> bool:
    anywhere = rf"(?<![^\W\d_])(?:{program.pattern})(?![^\W\d_])"
    alone = rf"\W*(?:{program.words})(?:\W+(?:app|pro|studio|express))?(?:[\W\d][\W\dv]*)?"
    return bool(
        re.search(anywhere, text, re.IGNORECASE) or (program.words and re.fullmatch(alone, text, re.IGNORECASE))
    )
