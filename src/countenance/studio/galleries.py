"""The galleries that a studio's pages ask, and faces as the page's script reads them."""

import zlib
from collections import OrderedDict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from threading import Lock
from typing import Any

from countenance.consent.permit import grant_prepare
from countenance.errors import ConsentError
from countenance.faces.store import StoredFace
from countenance.footage import Clip
from countenance.project import Project
from countenance.review.query import Measure, State, WaitingTrack, measured, measured_text, state_of
from countenance.review.words import REASONS
from countenance.steps.browse import Gallery, ShownFace, Summary
from countenance.vision.quality import worth

MOST_OPEN = 4
"""People whose faces are held in memory."""
TRACK_FACES = 6
"""Pictures shown of a track that waits."""
MEASURES: Mapping[Measure, tuple[str, str]] = {
    "frame": ("Frame", "in the order of clips and frames"),
    "yaw": ("Turn", "degrees; above 0 turned to the right of the picture"),
    "pitch": ("Nod", "degrees; above 0 looking down"),
    "roll": ("Tilt", "degrees; above 0 tilted counter-clockwise"),
    "blur": ("Sharpness", "small for a blurred face"),
    "motion": ("Motion blur", "0 to 1: how much coarser detail is along one direction"),
    "size": ("Size", "side of the crop in pixels of the frame"),
    "brightness": ("Brightness", "0 to 255"),
    "distance": ("Distance", "of its track to what is known of the person"),
    "score": ("Mesh", "0 to 1: how sure the mesh net is"),
    "occlusion": ("Hidden", "0 to 1: part of the face that is behind something"),
    "mouth": ("Mouth open", "height of the gap, by the distance of the eyes"),
    "eyes": ("Eyes open", "height of the gap, by its width"),
}
"""By measure: its name on the page, and what it says."""
STATES: Mapping[State, str] = {"kept": "Kept", "left-out": "Left out", "unsure": "Unsure who"}


@dataclass(frozen=True, kw_only=True, slots=True)
class Galleries:
    """Those that were asked for last, by person; with the consent ends all that one remembers."""

    of: OrderedDict[str, Gallery] = field(default_factory=OrderedDict)
    lock: Lock = field(default_factory=Lock)

    def open(self, project: Project, person: str) -> Gallery:
        """The gallery of a person, for as long as consent holds.

        Raises:
            ConsentError: it doesn't.
        """
        with self.lock:
            # Another release may give a permit now.
            for ended in [name for name, gallery in self.of.items() if not _holds(gallery)]:
                del self.of[ended]
            if person not in self.of:
                self.of[person] = Gallery(project, person, grant_prepare(project, person))
            self.of.move_to_end(person)
            while len(self.of) > MOST_OPEN:
                self.of.popitem(last=False)
            return self.of[person]

    def clear(self) -> None:
        """Remember nobody."""
        with self.lock:
            self.of.clear()


def _holds(gallery: Gallery) -> bool:
    try:
        gallery.check()
    except ConsentError:
        return False
    return True


def row_document(shown: ShownFace, clips: Mapping[str, Clip], sort: Measure) -> dict[str, Any]:
    """A face on the contact sheet."""
    face, clip = shown.face, clips[shown.face.clip_sha256]
    return {
        "name": face.name,
        "state": state_of(face),
        "reasons": face.rejections,
        "word": shown.word,
        "picture": face.has_crop,
        "version": _version(face),
        "clip": clip.name,
        "seconds": round(clip.about_s(face.frame), 2),
        "value": "" if sort == "frame" else measured_text(face, sort),
    }


def face_document(shown: ShownFace, clips: Mapping[str, Clip]) -> dict[str, Any]:
    """A face by itself, with all that is known of it but its mesh."""
    face, clip = shown.face, clips[shown.face.clip_sha256]
    return {
        **row_document(shown, clips, "frame"),
        "frame": face.frame,
        "frames": clip.num_frames,
        "mask_by": face.mask_origin,
        "margin": round(face.margin, 3),
        "is_decided": face.is_decided,
        "measures": [
            {
                "name": name,
                "title": title,
                "hint": hint,
                "text": measured_text(face, name),
                "value": measured(face, name),
            }
            for name, (title, hint) in MEASURES.items()
            if name != "frame"
        ],
        "why": [
            {"reason": reason, "what": REASONS[reason][0], "remedy": REASONS[reason][1]} for reason in face.rejections
        ],
    }


def summary_document(summary: Summary, clips: Mapping[str, Clip]) -> dict[str, Any]:
    """What a query finds, counted."""
    histogram = summary.histogram
    return {
        "total": summary.total,
        "num_faces": summary.num_faces,
        "num_tracks": summary.num_tracks,
        "states": [
            {"value": state, "title": title, "count": summary.states[state]}
            for state, title in STATES.items()
            if summary.states[state]
        ],
        "reasons": [
            {
                "value": reason.replace(" ", "-"),
                "title": reason.capitalize(),
                "count": count,
                "hint": REASONS[reason][0],
            }
            for reason, count in summary.reasons.most_common()
            # It is a state, too.
            if reason != "unsure who"
        ],
        "clips": [
            {"value": sha256, "title": clip.name, "count": summary.clips[sha256]}
            for sha256, clip in clips.items()
            if summary.clips[sha256]
        ],
        "histogram": histogram and {"low": histogram.low, "high": histogram.high, "counts": histogram.counts},
    }


def track_document(track: WaitingTrack, clips: Mapping[str, Clip]) -> dict[str, Any]:
    """A track that waits: where it is seen, and its best pictures in the order of frames."""
    first, last = track.faces[0], track.faces[-1]
    clip = clips[first.clip_sha256]
    return {
        "name": track.name,
        "clip": clip.name,
        "begins_s": round(clip.about_s(first.frame), 2),
        "ends_s": round(clip.about_s(last.frame), 2),
        "num_faces": len(track.faces),
        "distance": round(track.distance, 3),
        "margin": round(track.margin, 3),
        "pictures": pictures_document(best_of(track.faces)),
    }


def best_of(faces: Sequence[StoredFace]) -> list[StoredFace]:
    """The best pictures of a track, in the order of their frames."""
    with_crop = [face for face in faces if face.has_crop]
    best = sorted(with_crop, key=lambda face: -worth(face.quality))[:TRACK_FACES]
    return sorted(best, key=lambda face: face.frame)


def pictures_document(faces: Sequence[StoredFace]) -> list[dict[str, Any]]:
    """Faces of which only the picture is shown."""
    return [{"name": face.name, "version": _version(face)} for face in faces]


def _version(face: StoredFace) -> str:
    """Another one where the picture was cut again."""
    return f"{zlib.crc32(face.landmarks_xyz.tobytes()):08x}"
