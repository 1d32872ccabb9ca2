"""Values that fit a JSON Schema, of the kinds that the server's OpenAPI document has."""

import datetime
import re
from collections.abc import Mapping
from typing import Any

from hypothesis import strategies as st

_ZONES = st.integers(-1439, 1439).map(lambda one: datetime.timezone(datetime.timedelta(minutes=one)))
_OTHERS = st.none() | st.booleans() | st.integers() | st.text(max_size=3)


def values(schema: Mapping[str, Any], document: Mapping[str, Any], most: int = 3) -> st.SearchStrategy[Any]:
    """Values that fit `schema`, which may refer to others of `document`. Lists have up to `most` items, if they may."""
    if "$ref" in schema:
        _, *path = schema["$ref"].split("/")
        found: Any = document
        for part in path:
            found = found[part]
        return values(found, document, most)
    if "anyOf" in schema:
        return st.one_of([values(one, document, most) for one in schema["anyOf"]])
    if "enum" in schema:
        return st.sampled_from(schema["enum"])
    kinds = schema["type"] if isinstance(schema["type"], list) else [schema["type"]]
    return st.one_of([_of_kind(kind, schema, document, most) for kind in kinds])


def _of_kind(kind: str, schema: Mapping[str, Any], document: Mapping[str, Any], most: int) -> st.SearchStrategy[Any]:
    if kind == "null":
        return st.none()
    if kind == "boolean":
        return st.booleans()
    if kind == "number":
        numbers = st.floats(schema["minimum"], schema["maximum"])
        return numbers | st.integers(-1000, 1000).filter(lambda one: schema["minimum"] <= one <= schema["maximum"])
    if kind == "integer":
        return st.integers(int(schema["minimum"]), int(schema["maximum"]))
    if kind == "string" and "format" in schema:
        times = st.datetimes(datetime.datetime(2, 1, 1), datetime.datetime(9998, 1, 1), timezones=_ZONES)
        return times.map(lambda one: str(one.date()) if schema["format"] == "date" else one.isoformat())
    if kind == "string" and "pattern" in schema:
        return st.from_regex(schema["pattern"])
    if kind == "string":
        refused = re.compile(schema.get("not", {}).get("pattern", "(?!)"))
        known = st.sampled_from(schema["examples"]) if "examples" in schema else st.nothing()
        # A lone surrogate is not JSON.
        texts = st.text(st.characters(codec="utf-8"), max_size=20).filter(lambda one: not refused.search(one))
        return known | texts
    if kind == "array":
        if "prefixItems" in schema:
            assert schema["minItems"] == schema["maxItems"] == len(schema["prefixItems"])
            return st.tuples(*(values(one, document, most) for one in schema["prefixItems"])).map(list)
        return st.lists(
            values(schema["items"], document, most),
            min_size=schema.get("minItems", 0),
            max_size=schema.get("maxItems", most),
        )
    properties = {name: values(one, document, most) for name, one in schema["properties"].items()}
    required = {name: properties.pop(name) for name in schema["required"]}
    objects = st.fixed_dictionaries(required, optional=properties)
    if schema.get("additionalProperties", True):
        names = st.text(st.characters(codec="utf-8"), min_size=1, max_size=5)
        names = names.filter(lambda one: one not in {*schema["properties"], "rows"})
        extra = st.dictionaries(names, _OTHERS, max_size=2)
        objects = st.builds(lambda more, known: {**more, **known}, extra, objects)
    return objects
