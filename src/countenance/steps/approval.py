"""Approval while generating: the result itself where everybody approved it, else a proxy and requests beside it."""

import hashlib
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from countenance.consent.approvals import (
    asked_results,
    awaited_error,
    check_not_declined,
    known_decisions,
    standing_of,
)
from countenance.consent.decision import REQUEST_SUFFIX
from countenance.consent.document import write_document
from countenance.consent.permit import log_refused
from countenance.consent.release import beside
from countenance.errors import ConsentError, UsageError
from countenance.footage import is_collected
from countenance.progress import Progress
from countenance.project import Project
from countenance.provenance.proxy import proxied, proxy_path
from countenance.provenance.publish import PublishConfig, published_since, result_digest, result_parts
from countenance.steps.guards import Guard
from countenance.types import Approval, Published, Render


@dataclass(frozen=True, kw_only=True, slots=True)
class Exit:
    """As what a render is published, and under which name."""

    render: Render
    output: Path
    approval: Approval | None = None
    """None where no release asks for it, or for a proxy."""
    awaited: tuple[str, ...] = ()
    """Who is asked, by a proxy and a request for each."""


def request_path(output: Path, person: str) -> Path:
    """The name of the request to a person about what would be published as `output`."""
    return output.with_name(f"{output.stem}.{person}{REQUEST_SUFFIX}")


def exit_of(
    guards: Sequence[Guard],
    render: Render,
    output: Path,
    config: PublishConfig,
    *,
    overwrite: bool,
    progress: Progress,
) -> Exit:
    """Decide before any frame is drawn: without approval a render becomes a proxy, as every preview does.

    With it, the guards' check asks from now on whether the result stays approved.

    Raises:
        ConsentError: somebody declined this result, or was asked already and hasn't decided.
        UsageError: something is there already where a proxy or a request would be.
    """
    project, permits = guards[0].project, [guard.permit for guard in guards]
    if not any(permit.approvers for permit in permits):
        return Exit(render=render, output=output)
    proxy = Exit(render=proxied(render), output=_free_name(project, output))
    if render.preview_wh is not None:
        return proxy
    result = result_digest(render, config)
    standing = standing_of(project, permits, result)
    try:
        check_not_declined(standing)
    except ConsentError as error:
        log_refused(project, "generate", error, result=result)
        raise
    if not standing.awaited:
        for guard in guards:
            guard.for_result(result)
        return Exit(render=render, output=output, approval=Approval(result=result, decisions=standing.approved))
    if not overwrite:
        if _is_asked(project, result, proxy.output):
            write_requests(project, output, proxy.output, standing.awaited)
            awaited = awaited_error(standing.awaited, result)
            log_refused(project, "generate", awaited, result=result)
            raise awaited
        for path in (request_path(output, person) for person in standing.awaited):
            if path.exists() or path.is_symlink():
                raise UsageError(
                    f"{path} is there already; choose another name or add --overwrite", code="usage.exists", path=path
                )
    _note_what_differs(project, standing.awaited, result_parts(render, config), progress)
    return Exit(render=proxy.render, output=proxy.output, awaited=standing.awaited)


def write_requests(project: Project, output: Path, proxy: Path, people: Sequence[str]) -> tuple[Path, ...]:
    """Write the requests to people who are asked by a published proxy about what would become `output`."""
    sha256 = _sha256(proxy)
    (asked,) = (each for each in asked_results(project) if each.proxy_sha256 == sha256)
    paths = tuple(request_path(output, person) for person in people)
    for path, person in zip(paths, people, strict=True):
        write_document(path, asked.requests[person], overwrite=True)
    return paths


@dataclass(frozen=True, kw_only=True, slots=True)
class Finished:
    """What a process left that was killed after all was done and before it could say so."""

    published: Published
    awaited: tuple[str, ...]
    requests: tuple[Path, ...]


def finished_since(project: Project, output: Path, since: str) -> Finished | None:
    """What was published as `output` since a time, or its proxy with all requests; None where something is missing."""
    if (published := published_since(project, output, since)) is not None:
        return Finished(published=published, awaited=(), requests=())
    if (proxy := published_since(project, proxy_path(output), since)) is None:
        return None
    decided = {(known.decision.result, known.decision.person) for known in known_decisions(project)}
    people = [
        person
        for asked in asked_results(project)
        if asked.proxy_sha256 == proxy.sha256
        for person in sorted(asked.requests)
        if (asked.result, person) not in decided
    ]
    requests = tuple(request_path(output, person) for person in people)
    if not all(path.is_file() for path in requests):
        return None
    return Finished(published=proxy, awaited=tuple(people), requests=requests)


def _free_name(project: Project, output: Path) -> Path:
    path = proxy_path(output)
    try:
        beside(path.name)
        is_fit = path.name.isprintable()
    except ValueError:
        is_fit = False
    if not is_fit:
        raise UsageError(f"{output.name!r} can't be named in a request for approval; choose a name without signs")
    if is_collected(project, path):
        raise UsageError(f"{path} is a clip of this project, which is never written to; choose another name")
    return path


def _is_asked(project: Project, result: str, proxy: Path) -> bool:
    """Whether the proxy is there and everybody was asked by it about this result."""
    if not proxy.is_file():
        return False
    sha256 = _sha256(proxy)
    return any((asked.result, asked.proxy_sha256) == (result, sha256) for asked in asked_results(project))


def _note_what_differs(project: Project, people: Sequence[str], parts: dict[str, str], progress: Progress) -> None:
    """Say what changed since somebody approved another result of the same plate."""
    by_result = {asked.result: asked.parts for asked in asked_results(project)}
    for person in people:
        approved = [
            by_result[each.decision.result]
            for each in known_decisions(project)
            if each.decision.person == person
            and each.decision.verdict == "approved"
            and by_result.get(each.decision.result, {}).get("plate") == parts["plate"]
        ]
        if approved:
            names = parts.keys() | approved[-1].keys()
            changed = sorted(name for name in names if parts.get(name) != approved[-1].get(name))
            progress.note(f"{person} approved another result of this plate; since then changed: {', '.join(changed)}")


def _sha256(path: Path) -> str:
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()
