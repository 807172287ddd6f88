"""What C2PA's conformance programme (0.2, specification 2.4) asks of a file's credentials: 31 statements over crJSON.

Facts from the programme's public asset rubric of August 2026 (c2pa-org/conformance-public on GitHub, folder
`asset-rubrics`), under its names, so that both can be compared; written anew for these tests.
"""

from collections.abc import Callable, Iterator
from typing import Any

Manifest = dict[str, Any]

SPEC_VERSION = ("2", "4")

INCEPTIONS = {"c2pa.created", "c2pa.opened"}
NOT_EDITORIAL = {
    *("c2pa.converted", "c2pa.published", "c2pa.repackaged", "c2pa.transcoded", "c2pa.resized.proportional"),
    *("c2pa.enhanced", "c2pa.edited.metadata", "c2pa.redacted"),
    *("c2pa.watermarked", "c2pa.watermarked.bound", "c2pa.watermarked.unbound"),
}
DEPRECATED_ACTIONS = {
    *("c2pa.copied", "c2pa.formatted", "c2pa.version_updated", "c2pa.printed", "c2pa.managed", "c2pa.produced"),
    *("c2pa.saved", "c2pa.color_adjustments", "c2pa.watermarked"),
}
ACTIONS = {
    *INCEPTIONS,
    *NOT_EDITORIAL,
    *("c2pa.addedText", "c2pa.adjustedColor", "c2pa.changedSpeed", "c2pa.color_adjustments", "c2pa.cropped"),
    *("c2pa.deleted", "c2pa.drawing", "c2pa.dubbed", "c2pa.edited", "c2pa.filtered", "c2pa.mastered", "c2pa.mixed"),
    *("c2pa.orientation", "c2pa.placed", "c2pa.remixed", "c2pa.removed", "c2pa.resized", "c2pa.translated"),
    *("c2pa.trimmed", "c2pa.unknown"),
}
DEPRECATED_ASSERTIONS = {
    *("c2pa.claim", "c2pa.hash.bmff.v2", "c2pa.asset-type", "c2pa.ingredient", "c2pa.ingredient.v2", "c2pa.actions"),
}
ASSERTIONS = {
    *("c2pa.hash.data", "c2pa.hash.data.part", "c2pa.hash.boxes", "c2pa.hash.bmff.v3", "c2pa.hash.collection.data"),
    *("c2pa.hash.multi-asset", "c2pa.actions.v2", "c2pa.ingredient.v3", "c2pa.soft-binding", "c2pa.cloud-data"),
    *("c2pa.embedded-data", "c2pa.metadata", "c2pa.certificate-status", "c2pa.asset-ref", "c2pa.asset-type.v2"),
    *("c2pa.thumbnail.claim", "c2pa.thumbnail.ingredient", "c2pa.depthmap.GDepth", "c2pa.icon"),
    *("c2pa.alternative-content-representation", "c2pa.external-reference", "c2pa.session-keys"),
    *("c2pa.environmental-sustainability", "c2pa.repository-receipt", "c2pa.ai-disclosure"),
    *("c2pa.assertion.metadata", "c2pa.time-stamp", "font.info"),
}
PARAMETERS = {
    *("redacted", "ingredients", "ingredient", "description", "relatedAssertions", "sourceLanguage", "targetLanguage"),
    *("multipleInstances", "ranges", "weight", "width", "italic", "slant", "optical-size"),
}
MALFORMED = {
    *(f"assertion.{kind}.malformed" for kind in ("action", "bmffHash", "boxesHash", "collectionHash", "dataHash")),
    *(f"assertion.{kind}.malformed" for kind in ("external-reference", "ingredient", "multiAssetHash")),
    *(f"assertion.external-reference.{what}" for what in ("labelMismatch", "created")),
    *(f"assertion.alternativeContentRepresentation.{what}" for what in ("malformed", "missing")),
    *("assertion.cbor.invalid", "assertion.json.invalid", "assertion.boxesHash.unknownBox"),
    *("assertion.multipleHardBindings", "hashedURI.missing", "ingredient.manifest.missing"),
    *(f"claim.{what}" for what in ("cbor.invalid", "hardBindings.missing", "malformed", "missing", "multiple")),
    *(f"manifest.{what}" for what in ("compressed.invalid", "html.multipleManifests", "inaccessible")),
    *(f"manifest.{what}" for what in ("multipleParents", "timestamp.invalid", "timestamp.wrongParents")),
    *(f"manifest.update.{what}" for what in ("invalid", "wrongParents")),
    *(f"manifest.structuredText.{what}" for what in ("emptyReference", "malformedReference", "multipleReferences")),
    *(f"manifest.structuredText.{what}" for what in ("noManifest", "noResolutionPath")),
}
MISMATCHED = {
    *(f"assertion.action.{what}" for what in ("ingredientMismatch", "redactionMismatch")),
    *(f"assertion.{kind}.mismatch" for kind in ("bmffHash", "boxesHash", "collectionHash", "dataHash")),
    *(f"assertion.{kind}.mismatch" for kind in ("multiAssetHash", "hashedURI")),
    *(f"assertion.{kind}.hashMismatch" for kind in ("external-reference", "alternativeContentRepresentation")),
    *("assertion.hardBinding.redacted", "hashedURI.mismatch", "ingredient.manifest.mismatch"),
    *(f"ingredient.claimSignature.{what}" for what in ("missing", "mismatch")),
    *(f"claimSignature.{what}" for what in ("missing", "mismatch")),
}


def offences(document: Manifest) -> dict[str, list[str]]:
    """What in a crJSON document goes against each statement."""
    active = document["manifests"][0]
    return {name: list(statement(active)) for name, statement in STATEMENTS.items()}


def _assertions(manifest: Manifest) -> dict[str, Any]:
    found: dict[str, Any] = manifest.get("assertions", {})
    return found


def _action_assertions(manifest: Manifest) -> list[dict[str, Any]]:
    return [each for each in _assertions(manifest).values() if "actions" in each]


def _actions(manifest: Manifest, name: str = "") -> list[dict[str, Any]]:
    actions = [action for each in _action_assertions(manifest) for action in each["actions"]]
    return [action for action in actions if name in ("", action["action"])]


def _ingredients(manifest: Manifest) -> list[dict[str, Any]]:
    return [each for each in _assertions(manifest).values() if "relationship" in each]


def _failures(manifest: Manifest, codes: set[str]) -> Iterator[str]:
    if "validationResults" not in manifest:
        yield "never checked"
    for failure in manifest.get("validationResults", {}).get("failure", []):
        if failure["code"] in codes:
            yield failure["code"]


def _results_present(manifest: Manifest) -> Iterator[str]:
    if "validationResults" not in manifest:
        yield "no results"


def _generator_info(manifest: Manifest) -> dict[str, Any]:
    info = manifest["claim.v2"]["claim_generator_info"]
    found: dict[str, Any] = info[0] if isinstance(info, list) else info
    return found


def _spec_version(manifest: Manifest) -> Iterator[str]:
    version = _generator_info(manifest).get("specVersion")
    if not isinstance(version, str) or tuple(version.split(".")[:2]) != SPEC_VERSION:
        yield repr(version)


def _inception_first(manifest: Manifest) -> Iterator[str]:
    created = [each["url"] for each in manifest["claim.v2"].get("created_assertions", [])]
    first = next((url for url in created if "c2pa.actions" in url), "")
    if not first.endswith("c2pa.actions.v2"):
        yield first or "no actions among the created assertions"
    if _actions(manifest, "c2pa.created") and _actions(manifest)[0]["action"] not in INCEPTIONS:
        yield _actions(manifest)[0]["action"]


def _foreign_parameters(manifest: Manifest) -> Iterator[str]:
    for action in _actions(manifest):
        yield from (name for name in action.get("parameters", {}) if name not in PARAMETERS and "." not in name)


def _alternative_representation(manifest: Manifest) -> Iterator[str]:
    for each in _assertions(manifest).values():
        parameters = each.get("parameters") or {}
        if "exif.originalPreservationImage" in (each.get("type"), parameters.get("type")) and (
            ("multiAssetPartIndex" in parameters) == ("embeddedOriginalPreservationImage" in parameters)
        ):
            yield "both or neither"


def _forbidden_references(manifest: Manifest) -> Iterator[str]:
    for each in _assertions(manifest).values():
        label = each.get("label", "")
        if (
            "url" in each
            and "relationship" not in each
            and (
                label in {"c2pa.actions", "c2pa.actions.v2", "c2pa.cloud-data", "c2pa.external-reference"}
                or label.startswith(("c2pa.hash", "c2pa.ingredient"))
            )
        ):
            yield label


def _only_opened(manifest: Manifest) -> Iterator[str]:
    actions = _actions(manifest)
    if [action["action"] for action in actions] == ["c2pa.opened"]:
        yield from ("not all" for each in _action_assertions(manifest) if each.get("allActionsIncluded") is not True)


def _box_hash_of_tiff(manifest: Manifest) -> Iterator[str]:
    kind = _assertions(manifest).get("c2pa.asset-type.v2", {}).get("dc:format")
    if "c2pa.hash.boxes" in _assertions(manifest) and kind in {"image/tiff", "image/x-adobe-dng"}:
        yield "c2pa.hash.boxes"


STATEMENTS: dict[str, Callable[[Manifest], Iterator[str]]] = {
    "mandatory_dst_for_perceptible_transformations": lambda m: (
        action["action"]
        for action in _actions(m)
        if action["action"].startswith("c2pa.")
        and action["action"] not in INCEPTIONS | NOT_EDITORIAL | {"c2pa.placed"}
        and "digitalSourceType" not in action
    ),
    "mandatory_spec_version": _spec_version,
    "mandatory_all_actions_included": lambda m: (
        "missing" for each in _action_assertions(m) if each.get("allActionsIncluded") is None
    ),
    "no_dst_for_opened_action": lambda m: (
        "c2pa.opened" for action in _actions(m, "c2pa.opened") if "digitalSourceType" in action
    ),
    "well_formed_data_present": _results_present,
    "well_formed_success": lambda m: _failures(m, MALFORMED),
    "valid_data_present": _results_present,
    "valid_success": lambda m: _failures(m, MISMATCHED),
    "inception_action_position": _inception_first,
    "no_deprecated_assertions": lambda m: (
        label for label in _assertions(m) if label.startswith("stds.") or label in DEPRECATED_ASSERTIONS
    ),
    "no_unsupported_assertions": lambda m: (
        label
        for label in _assertions(m)
        if label.startswith("c2pa.") and label.split("__")[0] not in ASSERTIONS | DEPRECATED_ASSERTIONS
    ),
    "no_deprecated_actions": lambda m: (
        action["action"] for action in _actions(m) if action["action"] in DEPRECATED_ACTIONS
    ),
    "no_unsupported_actions": lambda m: (
        action["action"]
        for action in _actions(m)
        if action["action"].startswith("c2pa.") and action["action"] not in ACTIONS
    ),
    "no_unrecognized_custom_assertions": lambda m: (label for label in _assertions(m) if "." not in label),
    "no_unrecognized_custom_actions": lambda m: (
        action["action"] for action in _actions(m) if "." not in action["action"]
    ),
    "no_unrecognized_custom_action_parameters": _foreign_parameters,
    "discouraged_legacy_action_parameters": lambda m: (
        action["action"] for action in _actions(m) if {"description", "ingredient"} & set(action.get("parameters", {}))
    ),
    "active_manifest_urn": lambda m: (label for label in [m.get("label", "")] if not label.startswith("urn:c2pa:")),
    "review_ratings_datasource": lambda m: (
        label
        for label, each in _assertions(m).items()
        if "reviewRatings" in each
        and each.get("dataSource", {}).get("type") in {"humanEntry.anonymous", "humanEntry.credentialed"}
    ),
    "ingredient_v3_no_active_manifest": lambda m: (
        "results" for each in _ingredients(m) if "activeManifest" not in each and "validationResults" in each
    ),
    "ingredient_v3_mandatory_validation_results": lambda m: (
        "no results" for each in _ingredients(m) if "activeManifest" in each and "validationResults" not in each
    ),
    "ingredient_relationship_values": lambda m: (
        each["relationship"]
        for each in _ingredients(m)
        if each["relationship"] not in {"parentOf", "inputTo", "componentOf"}
    ),
    "mandatory_dst_for_created_action": lambda m: (
        "c2pa.created" for action in _actions(m, "c2pa.created") if "digitalSourceType" not in action
    ),
    "no_deprecated_claim_fields": lambda m: (name for name in m["claim.v2"] if name == "specVersion"),
    "ingredient_v3_choice": lambda m: (
        "both" for each in _ingredients(m) if "activeManifest" in each and "digitalSourceType" in each
    ),
    "alternative_content_representation_choice": _alternative_representation,
    "forbidden_labels_in_external_references": _forbidden_references,
    "no_url_in_hashes": lambda m: (
        label for label in ("c2pa.hash.data", "c2pa.hash.bmff.v3") if "url" in _assertions(m).get(label, {})
    ),
    "all_actions_included_opened": _only_opened,
    "opened_action_ingredient_reference": lambda m: (
        "not one"
        for action in _actions(m, "c2pa.opened")
        if len(action.get("parameters", {}).get("ingredients", ())) != 1
    ),
    "no_box_hash_for_tiff": _box_hash_of_tiff,
}
