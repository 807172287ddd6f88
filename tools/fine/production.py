"""A project with the likeness's footage prepared, and frames in which some drawer's face was put into the plate."""

from collections.abc import Iterator
from itertools import chain
from pathlib import Path

import numpy as np

from countenance.bench.judge.metrics import Rgb
from countenance.bench.production import (
    LIKENESS,
    PERFORMER,
    TITLE,
    USE,
    opened_production,
)
from countenance.composite.check import check_faces
from countenance.composite.place import PlacedFace, placed_faces
from countenance.composite.render import swap_render
from countenance.consent.permit import grant, grant_prepare
from countenance.consent.register import add_release, templates
from countenance.consent.synthetic import issue_release
from countenance.drawing import Drawer
from countenance.faces.config import PrepareConfig
from countenance.faces.plate import require_performer
from countenance.faces.portrait import template_of
from countenance.footage import timeline_of
from countenance.media.probe import probe
from countenance.model.guided.sources import Sources, sources_of
from countenance.model.references import choose_references, references_in
from countenance.progress import Progress
from countenance.project import Project, create
from countenance.steps.collect import collect
from countenance.steps.guards import Guard
from countenance.steps.prepare import prepare
from countenance.vision.segment import Segmenter
from tools.fine.plate import FineFiles

ROLES = LIKENESS, PERFORMER


def make_project(files: FineFiles, folder: Path, progress: Progress) -> None:
    """Both releases and the likeness's face set; of the performer there is the plate alone."""
    if (folder / "made").exists():
        return
    folder.mkdir(parents=True)
    create(folder / "project", use=USE, title=TITLE)
    with opened_production(folder) as project:
        for role in ROLES:
            document = issue_release(role, role, files.portrait(role), folder / "documents", use=USE, title=TITLE)
            add_release(project, document, template_of)
        collect(project, LIKENESS, [files.footage], progress=progress)
        prepare(project, LIKENESS, grant_prepare(project, LIKENESS), PrepareConfig(), progress=progress)
    (folder / "made").touch()
