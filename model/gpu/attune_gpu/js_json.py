"""JSON exactly as JavaScript writes it: the identity of a run is the sha256 of such text, and both sides must find the same."""

import json
import math
from decimal import Decimal


def js_json(value: object, indent: int = 0, at: int = 0) -> str:
    """What `JSON.stringify(value, null, indent)` gives; keys keep their order."""
    if isinstance(value, dict):
        colon = ": " if indent else ":"
        return _nest("{}", [f"{js_json(str(key))}{colon}{js_json(each, indent, at + indent)}" for key, each in value.items()], indent, at)
    if isinstance(value, (list, tuple)):
        return _nest("[]", [js_json(each, indent, at + indent) for each in value], indent, at)
    if isinstance(value, float):
        return js_number(value)
    if isinstance(value, str):
        return _string(value)
    return json.dumps(value)


def _nest(brackets: str, parts: list[str], indent: int, at: int) -> str:
    if not indent or not parts:
        return f"{brackets[0]}{','.join(parts)}{brackets[1]}"
    inner = "\n" + " " * (at + indent)
    return f"{brackets[0]}{inner}{f',{inner}'.join(parts)}\n{' ' * at}{brackets[1]}"


def js_number(value: float) -> str:
    """The shortest digits that name the double, as ECMAScript lays them out (Number::toString)."""
    if not math.isfinite(value):
        return "null"
    if value == 0:
        return "0"
    _, places, exponent = Decimal(repr(abs(value))).normalize().as_tuple()
    digits = "".join(map(str, places))
    point = len(digits) + exponent  # the decimal point stands after so many digits
    sign, count = "-" if value < 0 else "", len(digits)
    if count <= point <= 21:
        return sign + digits + "0" * (point - count)
    if 0 < point <= 21:
        return f"{sign}{digits[:point]}.{digits[point:]}"
    if -6 < point <= 0:
        return f"{sign}0.{'0' * -point}{digits}"
    power = point - 1
    tail = f".{digits[1:]}" if count > 1 else ""
    return f"{sign}{digits[0]}{tail}e{'+' if power > 0 else '-'}{abs(power)}"


def _string(text: str) -> str:
    """Only quotes, backslashes, control characters and lone surrogates are escaped."""
    escaped = json.dumps(text, ensure_ascii=False)
    return "".join(f"\\u{ord(c):04x}" if "\ud800" <= c <= "\udfff" else c for c in escaped)
