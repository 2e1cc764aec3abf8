"""Stage 3, overlay: apply `spec/overlay.yaml`, an OpenAPI Overlay 1.0 document.

Targets are RFC 9535 JSONPath, evaluated by python-jsonpath. The overlay libraries on the package index use older
dialects of JSONPath, and do not report whether an action changed anything. An action without a change shows that
upstream has fixed the fault.
"""

from __future__ import annotations

import copy
from typing import Any

import attrs
import jsonpath

from .documents import SCHEMA_PREFIX, Document, reachable
from .errors import RegenerationError

_SETS = {"enum", "required", "type"}


@attrs.frozen
class AppliedAction:
    """One action of the overlay, and whether it changed the document."""

    target: str
    description: str
    changed: bool


def apply_overlay(document: Document, overlay: Document) -> tuple[Document, list[AppliedAction]]:
    """Apply each action in order. Returns the new document, and whether each action changed it."""
    if not str(overlay.get("overlay", "")).startswith("1.0") or not isinstance(overlay.get("actions"), list):
        raise RegenerationError("spec/overlay.yaml is not an OpenAPI Overlay 1.0 document with actions.")
    result = copy.deepcopy(document)
    applied = []
    for action in overlay["actions"]:
        target = action.get("target") if isinstance(action, dict) else None
        if not isinstance(target, str) or ("update" not in action and action.get("remove") is not True):
            raise RegenerationError(f"spec/overlay.yaml: an action needs a target, and update or remove: {action}")
        try:
            matches = list(jsonpath.finditer(target, result))
        except jsonpath.JSONPathError as error:
            raise RegenerationError(f"spec/overlay.yaml: {target} is not valid JSONPath: {error}") from None
        changed = False
        # The last match comes first, so that the places of earlier matches in an array remain valid.
        for match in reversed(matches):
            if action.get("remove") is True:
                changed = _remove(match)
            else:
                changed = _update(target, match.obj, action["update"]) or changed
        applied.append(AppliedAction(target, str(action.get("description", "")), changed))
    return result, applied


def drop_unused(document: Document, before: Document) -> None:
    """Remove the schemas that the overlay added for operations that are not in this document."""
    schemas = document.get("components", {}).get("schemas", {})
    added = schemas.keys() - before.get("components", {}).get("schemas", {}).keys()
    kept = [document["paths"], *(schemas[name] for name in schemas.keys() - added)]
    needed = reachable(document, kept)
    for name in added:
        if SCHEMA_PREFIX + name not in needed:
            del schemas[name]


def _remove(match: jsonpath.JSONPathMatch) -> bool:
    if match.parent is None:
        raise RegenerationError("spec/overlay.yaml: an action would remove the whole document. Correct its target.")
    holder: Any = match.parent.obj
    del holder[match.parts[-1]]
    return True


def _update(target: str, node: object, update: Any) -> bool:
    """Update a node in place. Returns whether it changed."""
    if isinstance(node, list):
        node.append(copy.deepcopy(update))
        return True
    if isinstance(node, dict) and isinstance(update, dict):
        return _merge(node, update)
    raise RegenerationError(f"spec/overlay.yaml: {target} is a single value. Only objects and arrays can be updated.")


def _merge(node: dict[str, Any], update: dict[str, Any]) -> bool:
    """Merge as in the Overlay standard: objects are merged, arrays are joined, and other values are replaced.

    In keywords that contain sets, a value is not added twice, because the result would not be a valid schema.
    """
    changed = False
    for key, value in update.items():
        if isinstance(value, dict) and isinstance(node.get(key), dict):
            changed = _merge(node[key], value) or changed
        elif isinstance(value, list) and isinstance(node.get(key), list):
            added = [item for item in copy.deepcopy(value) if key not in _SETS or item not in node[key]]
            node[key] += added
            changed = bool(added) or changed
        else:
            # Descriptions do not count as changes, because upstream may fix a fault with other words.
            changed = ((key not in node or node[key] != value) and key not in ("description", "title")) or changed
            node[key] = copy.deepcopy(value)
    return changed
