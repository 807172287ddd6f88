"""Which texts name a program, and which only hold its letters."""

import pytest

from countenance.forensics.programs import seen_programs


@pytest.mark.parametrize(
    "text",
    [
        "Troops at the border",
        "paratroopers",
        "Roop Kumar",
        "Imagen de archivo",
        "Snow in Kyiv",
        "preface",
        "a reminiscent mood",
        "on canvas",
        "Captura de pantalla",
        "to nuke a city",
        "a splice of film",
        "to resolve a quarrel",
        "the resolved matter",
        "le coin dalle grise",
        "dall'economia",
        "A firefly at night",
        "The premiere of a play",
        "final cutting",
        "obs. of May 12",
        "Sora Tanaka",
    ],
)
def test_ordinary_words_name_no_program(text: str) -> None:
    assert seen_programs([text]) == ()


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("Lavf58.76.100", "a library inside"),
        ("HandBrake 1.6.1 2023012200", "convert video"),
        ("x264 - core 164", "an encoder that programs"),
        ("Blackmagic Design DaVinci Resolve Studio", "to edit video"),
        ("Resolve 18.6", "to edit video"),
        ("Nuke 13.2v5", "to edit video"),
        ("Blender", "to edit video"),
        ("Adobe Premiere Pro 2024.0", "to edit video"),
        ("Canva (Renderer) doc=1", "to edit pictures"),
        ("GIMP 2.10", "to edit pictures"),
        ("PaintShopPro", "to edit pictures"),
        ("SNOW", "exchanges faces"),
        ("Remini/3.7", "exchanges faces"),
        ("roop", "by a model"),
        ("roop-unleashed 4", "by a model"),
        ("Imagen 3", "by a model"),
        ("DALL·E 3", "by a model"),
        ("Sora", "by a model"),
        ("Adobe Firefly 1.0", "by a model"),
        ("Captura v8.0", "what a screen shows"),
        ("OBS Studio 30", "what a screen shows"),
        ("QuickTime Player 10.5", "also trims"),
        ("countenance 1.0", "with their owners' consent"),
    ],
)
def test_programs_are_known_by_name(text: str, words: str) -> None:
    (found,) = seen_programs([text])
    assert words in found
