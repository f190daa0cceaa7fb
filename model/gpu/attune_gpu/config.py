"""A stage's settings: the very JSON that `npx attune <stage>` takes, read by the JSON Schema that it publishes.

The schemas in `schemas/` are copies of docs/schemas, for an installed package has no repository around it; a test compares them.
Defaults come from there alone. What one setting alone cannot tell is refused by the stage, in the words of the TypeScript side.
"""

import json
import math
from importlib.resources import files

from attune_gpu.errors import ConfigError

STAGES = ("pretrain", "sft", "reward", "ppo")
SETTINGS = (*STAGES, "eval")
# A keyword that is not here would be ignored in silence.
KNOWN_KEYWORDS = frozenset(
    "title $schema type properties minLength maxLength description default minimum maximum exclusiveMinimum exclusiveMaximum "
    "anyOf oneOf enum const items minItems required additionalProperties readOnly format".split()
)
TYPES = {"string": str, "boolean": bool, "array": list, "object": dict, "null": type(None)}
BOUNDS = {
    "minimum": ("at least", lambda value, bound: value >= bound),
    "maximum": ("at most", lambda value, bound: value <= bound),
    "exclusiveMinimum": ("above", lambda value, bound: value > bound),
    "exclusiveMaximum": ("below", lambda value, bound: value < bound),
}


def load_schema(stage: str) -> dict:
    return json.loads(files("attune_gpu").joinpath("schemas", f"{stage}.json").read_text())


def read_config(stage: str, given: object, overrides: list[str] | tuple[str, ...] = ()) -> dict:
    """All settings, defaults included, in the schema's order. Raises ConfigError with one line per fault."""
    schema = load_schema(stage)
    if not isinstance(given, dict):
        raise ConfigError("configuration: expected an object of settings")
    faults: list[str] = []
    settings = _read(schema, apply_overrides(given, overrides), "", faults, setting_names(schema))
    if faults:
        raise ConfigError("\n".join(faults))
    return settings


def apply_overrides(given: dict, overrides) -> dict:
    """`key=value` and `key.inner=value`; the value is JSON, or text as it stands."""
    config = json.loads(json.dumps(given))
    for override in overrides:
        path, equals, text = override.partition("=")
        if not path or not equals:
            raise ConfigError(f"--set {override}: write it as key=value")
        *keys, last = path.split(".")
        place = config
        for key in keys:
            if not isinstance(place.get(key), dict):
                place[key] = {}
            place = place[key]
        try:
            place[last] = json.loads(text)
        except ValueError:
            place[last] = text
    return config


def setting_names(schema: dict, parent: str = "") -> list[str]:
    """All settings by their dotted names, those inside of others too."""
    names = []
    for key, inner in schema.get("properties", {}).items():
        names += [f"{parent}{key}", *setting_names(inner, f"{parent}{key}.")]
    for option in _options(schema):
        names += setting_names(option, parent)
    return list(dict.fromkeys(names))


def _options(schema: dict) -> list[dict]:
    return schema.get("anyOf") or schema.get("oneOf") or []


def _read(schema: dict, value: object, at: str, faults: list[str], known: list[str]) -> object:
    """The value with defaults filled in; what is wrong with it is added to `faults`."""
    unknown = schema.keys() - KNOWN_KEYWORDS
    if unknown:
        raise TypeError(f"This reader does not know the schema's {', '.join(sorted(unknown))} (at {at or 'the top'})")
    if _options(schema):
        return _read_one_of(_options(schema), value, at, faults, known)
    if not _has_type(schema, value):
        faults.append(f"{at or 'configuration'}: expected {_say_type(schema)}, found {json.dumps(value)[:60]}")
        return value
    faults += [f"{at}: {fault}" for fault in _faults_of_one(schema, value)]
    if isinstance(value, dict):
        return _read_object(schema, value, at, faults, known)
    if isinstance(value, list):
        return [_read(schema.get("items", {}), each, f"{at}.{i}", faults, known) for i, each in enumerate(value)]
    # JavaScript has one kind of number: 2.0 is written 2.
    return int(value) if isinstance(value, float) and value.is_integer() and abs(value) < 2**53 else value


def _read_object(schema: dict, value: dict, at: str, faults: list[str], known: list[str]) -> dict:
    properties = schema.get("properties", {})
    for key in (each for each in value if each not in properties):
        name = f"{at}.{key}" if at else key
        meant = min(known, key=lambda each: _distance(name, each))
        hint = f"does not go with the other settings of {at}." if meant == name else f"is no setting. Did you mean {meant}?"
        faults.append(f"{name} {hint}")
    settings = {}
    for key, inner in properties.items():
        name = f"{at}.{key}" if at else key
        if key in value:
            settings[key] = _read(inner, value[key], name, faults, known)
        elif "default" in inner:
            # Read as if it were given: a default of {} has defaults of its own.
            settings[key] = _read(inner, inner["default"], name, faults, known)
        elif key in schema.get("required", []):
            faults.append(f"{name}: is missing")
    return settings


def _read_one_of(options: list[dict], value: object, at: str, faults: list[str], known: list[str]) -> object:
    """Of several forms the first that fits; if none does, what is wrong with the one that was meant."""
    attempts = []
    for option in options:
        own: list[str] = []
        read = _read(option, value, at, own, known)
        if not own:
            return read
        attempts.append((not _has_type(option, value), not _has_tag(option, value), own))
    faults += min(attempts, key=lambda attempt: attempt[:2])[2]
    return value


def _has_tag(option: dict, value: object) -> bool:
    tags = {key: each["const"] for key, each in option.get("properties", {}).items() if "const" in each}
    return isinstance(value, dict) and all(value.get(key) == tag for key, tag in tags.items())


def _has_type(schema: dict, value: object) -> bool:
    wanted = schema.get("type")
    if wanted is None:
        return True
    return any(_is_a(kind, value) for kind in (wanted if isinstance(wanted, list) else [wanted]))


def _is_a(kind: str, value: object) -> bool:
    if kind in ("number", "integer"):
        is_number = isinstance(value, (int, float)) and not isinstance(value, bool) and math.isfinite(value)
        return is_number and (kind == "number" or float(value).is_integer())
    return isinstance(value, TYPES[kind])


def _say_type(schema: dict) -> str:
    return " or ".join([schema["type"]] if isinstance(schema["type"], str) else schema["type"])


def _faults_of_one(schema: dict, value: object) -> list[str]:
    faults = []
    if "enum" in schema and value not in schema["enum"]:
        faults.append(f"expected one of {', '.join(map(str, schema['enum']))}, found {json.dumps(value)}")
    if "const" in schema and value != schema["const"]:
        faults.append(f"expected {schema['const']}, found {json.dumps(value)}")
    if isinstance(value, (str, list)) and len(value) < schema.get("minLength" if isinstance(value, str) else "minItems", 0):
        faults.append("is empty")
    if isinstance(value, str) and len(value) > schema.get("maxLength", math.inf):
        faults.append(f"is longer than {schema['maxLength']} characters")
    if schema.get("format") == "uri" and isinstance(value, str) and not value.startswith(("http://", "https://")):
        faults.append("is no http(s) address")
    if isinstance(value, (int, float)) and not isinstance(value, bool):
        faults += [f"must be {word} {schema[key]}, found {value}" for key, (word, holds) in BOUNDS.items() if key in schema and not holds(value, schema[key])]
    return faults


def _distance(name: str, known: str) -> float:
    """By its whole name; by its last word alone (rank for lora.rank) where that is nearer."""
    return min(_edits(name, known), _edits(name.rsplit(".", 1)[-1], known.rsplit(".", 1)[-1]) + 0.5)


def _edits(a: str, b: str) -> int:
    """Levenshtein's distance, case ignored."""
    row = list(range(len(b) + 1))
    for i, letter in enumerate(a.lower()):
        following = [i + 1]
        for j, other in enumerate(b.lower()):
            following.append(min(row[j] + (letter != other), row[j + 1] + 1, following[j] + 1))
        row = following
    return row[-1]


def read_value(schema: dict, value: object, at: str) -> tuple[object, list[str]]:
    """One value by a part of a schema, and what is wrong with it."""
    faults: list[str] = []
    return _read(schema, value, at, faults, [at]), faults
