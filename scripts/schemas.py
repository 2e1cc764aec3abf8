"""Write the JSON Schemas of the output with --json, and their page in the documentation.

python scripts/schemas.py           write cekura_facade/cli/schemas/ and docs/reference/json.md
python scripts/schemas.py --check   write nothing, and fail if one of these files is not up to date

Each schema stands alone: it contains the definitions that it uses. Objects that come from the service may have other
fields as well. Objects of the command line have no others.
"""

from __future__ import annotations

import argparse
import json
import sys
from pathlib import Path
from typing import Any

ROOT = Path(__file__).resolve().parent.parent
FOLDER = ROOT / "cekura_facade" / "cli" / "schemas"
PAGE = ROOT / "docs" / "reference" / "json.md"
DIALECT = "https://json-schema.org/draft/2020-12/schema"
Schema = dict[str, Any]


def ref(name: str) -> Schema:
    """A reference to a definition."""
    return {"$ref": f"#/$defs/{name}"}


def array(items: Schema, description: str) -> Schema:
    """A list."""
    return {"description": description, "type": "array", "items": items}


def value(kind: str | list[str], description: str, **more: object) -> Schema:
    """A value of a type."""
    return {"description": description, "type": kind, **more}


def fixed(description: str, *optional: str, **properties: Schema) -> Schema:
    """An object of the command line. All properties are required, except for the optional ones."""
    return {
        "description": description,
        "type": "object",
        "required": [name for name in properties if name not in optional],
        "properties": properties,
        "additionalProperties": False,
    }


def record(description: str, *required: str, **properties: Schema) -> Schema:
    """An object of the service. It may have other properties."""
    return {"description": description, "type": "object", "required": list(required), "properties": properties}


EXIT_CODE = value("integer", "The exit code of the command.", minimum=0, maximum=255)
ERRORS = array(ref("error"), "What went wrong.")
DEFINITIONS: dict[str, Schema] = {
    "metric": record(
        "A saved metric, with all fields that the service returns.",
        "id",
        "name",
        id=value("integer", "Metric id."),
        name=value("string", "Name."),
    ),
    "suggestion": record("The fields of a metric that is not saved, may not be saved, or is exported."),
    "agent": record("An agent, with all fields that the service returns.", "id", id=value("integer", "Agent id.")),
    "job": record(
        "The last state of the job, with all fields that the service returns.",
        "status",
        status=value("string", "State of the job."),
    ),
    "error": fixed(
        "An error.",
        "about",
        "progress_id",
        "status_code",
        "request_id",
        "problems",
        type=value("string", "Class of the error, such as NotFoundError."),
        message=value("string", "What happened, why, and what to do."),
        about=value("string", "The part of the command that failed, such as `agent 999`."),
        progress_id=value("string", "Id of the job."),
        status_code=value("integer", "HTTP status of the response.", minimum=100, maximum=599),
        request_id=value("string", "Id of the request, for Cekura's support."),
        problems=array(ref("problem"), "What the service refused."),
    ),
    "problem": fixed(
        "One reason why the service refused a request.",
        metric=value(["integer", "null"], "Position of the metric, from 0."),
        name=value(["string", "null"], "Name of the metric."),
        field=value(["string", "null"], "Name of the field."),
        message=value("string", "What is wrong."),
    ),
    "failure": fixed("The command failed before it had a result.", exit_code=EXIT_CODE, errors=ERRORS),
}
SAVING = fixed(
    "What happened to the metrics.",
    exit_code=EXIT_CODE,
    created=array(ref("metric"), "Metrics that this command saved."),
    existing=array(ref("metric"), "Metrics that existed before. They were not sent again."),
    suggested=array(ref("suggestion"), "With --dry-run, the metrics that would be saved. Otherwise empty."),
    errors=ERRORS,
    unconfirmed=array(ref("suggestion"), "Metrics that may or may not be saved."),
    unfinished=array(ref("suggestion"), "Metrics that are not all saved."),
    file=value(["string", "null"], "File with the unfinished metrics."),
    next=array({"type": "string"}, "Commands that continue from here."),
)
CHECK = fixed(
    "The results of all checks that ran.",
    package=value("string", "Name of this package."),
    version=value("string", "Version of this package."),
    date=value("string", "Day of the run, such as 2026-11-26."),
    host=value("string", "Host of the base URL."),
    passed=value("boolean", "Whether all required checks passed and all metrics are deleted."),
    results=array(record("The result of a check.", "id", id=value("string", "Name of the check.")), "The results."),
    remaining=array({"type": "object"}, "Metrics of the run that could not be deleted."),
)
DOCTOR = fixed(
    "The checks, in the order in which they ran.",
    exit_code=EXIT_CODE,
    ok=value("boolean", "Whether no check failed."),
    base_url=value(["string", "null"], "Base URL of the service."),
    checks=array(
        fixed(
            "A check.",
            name=value("string", "What was checked, such as `API key`."),
            ok=value(["boolean", "null"], "Whether it passed. Null if it did not run."),
            warning=value("boolean", "Whether it passed with a warning."),
            message=value("string", "What was found."),
            advice=value(["string", "null"], "What to do."),
        ),
        "The checks.",
    ),
)
DELETED = fixed(
    "What was deleted.",
    exit_code=EXIT_CODE,
    deleted=array({"type": "integer"}, "Ids of the deleted metrics."),
    errors=ERRORS,
)
NAMED = array(
    fixed("A metric.", id=value("integer", "Metric id."), name=value("string", "Name.")),
    "Metrics that already match the file.",
)
PLAN = fixed(
    "The changes that `apply` would make.",
    exit_code=EXIT_CODE,
    create=array(ref("suggestion"), "Fields of the metrics to create."),
    copy=array({"type": "string"}, "Codes of predefined metrics to copy into the project."),
    update=array(
        fixed(
            "A metric to update.",
            id=value("integer", "Metric id."),
            name=value("string", "Name."),
            fields=array(
                fixed(
                    "A field that changes.",
                    name=value("string", "Name of the field."),
                    before={"description": "Its value in the service. Null if it is not set."},
                    after={"description": "Its value in the file."},
                ),
                "The fields that change, each with `name`, `before` and `after`.",
            ),
        ),
        "Metrics to update.",
    ),
    unchanged=NAMED,
    only_in_service=NAMED | {"description": "Metrics of the agent or project that are not in the file."},
    deletable=NAMED | {"description": "Metrics of `only_in_service` that `apply --prune` deletes."},
    errors=ERRORS,
)
APPLIED = fixed(
    "What was done.",
    exit_code=EXIT_CODE,
    created=array(ref("metric"), "Metrics that were created, and predefined ones that were copied."),
    updated=array(ref("metric"), "Metrics that were updated."),
    deleted=array(ref("metric"), "Metrics that were deleted."),
    unchanged=array(ref("metric"), "Metrics that already matched the file."),
    unconfirmed=array(ref("suggestion"), "Metrics that may or may not be created."),
    errors=ERRORS,
    next=array({"type": "string"}, "Commands that continue from here."),
)
SANDBOX = fixed(
    "The connection settings of the sandbox. The command prints them when the sandbox is ready.",
    api_key=value("string", "API key that the sandbox accepts."),
    api_url=value("string", "Base URL of the sandbox."),
    agents=array(
        fixed("An agent.", id=value("integer", "Agent id."), name=value("string", "Name.")), "The agents that exist."
    ),
)
OPERATIONS = array(
    fixed(
        "An operation.",
        name=value("string", "Name, as `api` accepts it."),
        method=value("string", "HTTP method."),
        path=value("string", "Path, with the names of its parameters."),
        summary=value("string", "Short description."),
    ),
    "The operations of the API.",
)
# The output of each command if it succeeds, by the words of the command.
COMMANDS: dict[str, Schema] = {
    "generate": SAVING,
    "resume": SAVING,
    "create": SAVING,
    "export": array(ref("suggestion"), "The metrics, with the fields that can be written."),
    "plan": PLAN,
    "apply": APPLIED,
    "metrics list": array(ref("metric"), "The metrics."),
    "metrics get": ref("metric"),
    "metrics update": ref("metric"),
    "metrics delete": DELETED,
    "metrics preview": ref("job"),
    "metrics simplify": ref("job"),
    "agents list": array(ref("agent"), "The agents."),
    "agents get": ref("agent"),
    "api": {"description": "The response. If it has no body, an object with `exit_code` 0 and no `errors`."},
    "api --list": OPERATIONS,
    "doctor": DOCTOR,
    "check": CHECK,
    "sandbox": SANDBOX,
}


def file_name(command: str) -> str:
    """The name of the schema of a command."""
    return f"{command.replace(' --', '-').replace(' ', '-')}.json"


def schema(command: str) -> Schema:
    """The schema of a command, with the definitions that it uses."""
    success = COMMANDS[command]
    body: Schema = {"anyOf": [success, ref("failure")]} if command != "api" else success
    return {
        "$schema": DIALECT,
        "title": f"cekura-facade {command}",
        **body,
        **({"$defs": definitions} if (definitions := _used(body)) else {}),
    }


def _used(body: Schema) -> dict[str, Schema]:
    found: dict[str, Schema] = {}
    names = _references(body)
    while names:
        name = names.pop()
        if name not in found:
            found[name] = DEFINITIONS[name]
            names |= _references(DEFINITIONS[name])
    return {name: DEFINITIONS[name] for name in DEFINITIONS if name in found}


def _references(part: object) -> set[str]:
    text = json.dumps(part)
    return {name for name in DEFINITIONS if f'"#/$defs/{name}"' in text}


def page() -> str:
    """The page of the documentation."""
    shown = [HEAD]
    kinds: list[tuple[Schema, list[str]]] = []
    for command, success in COMMANDS.items():
        for other, commands in kinds:
            if other == success:
                commands.append(command)
                break
        else:
            kinds.append((success, [command]))
    for success, commands in kinds:
        names = ", ".join(f"`{command}`" for command in commands)
        shown.append(f"## {names}\n\n{_shown(success)}")
    shown.append("## Definitions\n\nThe documents above refer to these objects.")
    shown += [f"### {name.capitalize()}\n\n{_shown(each)}" for name, each in DEFINITIONS.items()]
    return "\n\n".join(shown) + "\n"


def _shown(part: Schema) -> str:
    """The description of a part of a schema, with a table of its properties."""
    target = _target(part)
    if target:
        return f"The document is {_article(target)} [{target}](#{target}).{_description(part)}"
    if part.get("type") == "array":
        items = part["items"]
        if name := _target(items):
            return f"The document is a list. Each item is {_article(name)} [{name}](#{name})."
        return f"The document is a list.{_description(part)} Each item has these properties:\n\n{_table(items)}"
    if "properties" not in part:
        return str(part["description"])
    more = "" if part.get("additionalProperties") is False else " It may have other properties."
    text = f"{part['description']}{more}"
    return f"{text}\n\n{_table(part)}" if part["properties"] else text


def _table(part: Schema) -> str:
    rows = ["| property | type | description |", "|---|---|---|"]
    for name, each in part["properties"].items():
        optional = "" if name in part["required"] else " Optional."
        rows.append(f"| `{name}` | {_type(each)} | {each['description']}{optional} |")
        items = each.get("items", {})
        rows += [
            f"| `{name}[].{inner}` | {_type(one)} | {one['description']} |"
            for inner, one in items.get("properties", {}).items()
        ]
    return "\n".join(rows)


def _type(part: Schema) -> str:
    if name := _target(part):
        return f"[{name}](#{name})"
    if part.get("type") == "array":
        return f"list of {_type(part['items'])}"
    kind = part["type"]
    return " or ".join(kind) if isinstance(kind, list) else str(kind)


def _article(name: str) -> str:
    return "an" if name[0] in "aeio" else "a"


def _target(part: Schema) -> str:
    return str(part.get("$ref", "")).rpartition("/")[2]


def _description(part: Schema) -> str:
    return f" {part['description']}" if "description" in part else ""


HEAD = """\
# JSON output

With `--json`, every command prints a single JSON document on standard output, even if it fails or an option is
misspelled. The error messages are also on standard error.

If a command fails before it has a result, its document is a [failure](#failure). `api` prints the response of the
service as JSON, even without `--json`.

The package contains a [JSON Schema](https://json-schema.org/) (2020-12) for each command. This program prints one:

```python title="schema.py"
import sys
from importlib.resources import files

print(files("cekura_facade.cli").joinpath("schemas", f"{sys.argv[1]}.json").read_text())
```

For example, `python schema.py metrics-list` prints the schema of `metrics list`. The following sections describe the
same documents."""


def main() -> int:
    """Write or compare the files."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").split("\n", 1)[0])
    parser.add_argument("--check", action="store_true", help="write nothing, and fail if a file is not up to date")
    is_check = parser.parse_args().check
    files = {FOLDER / file_name(command): json.dumps(schema(command), indent=2) + "\n" for command in COMMANDS}
    files[PAGE] = page()
    stale = [path for path, text in files.items() if not path.is_file() or path.read_text("utf-8") != text]
    stale += [path for path in FOLDER.glob("*") if path not in files]
    for path in stale:
        if is_check:
            print(f"{path.relative_to(ROOT)} is not up to date. Run `python scripts/schemas.py`.", file=sys.stderr)
        elif path in files:
            path.parent.mkdir(exist_ok=True)
            path.write_text(files[path], "utf-8")
        else:
            path.unlink()
    return 1 if is_check and stale else 0


if __name__ == "__main__":
    sys.exit(main())
