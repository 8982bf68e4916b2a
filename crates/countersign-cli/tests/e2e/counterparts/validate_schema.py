"""Judges TOML files by a JSON schema: `validate_schema.py SCHEMA`, then texts as JSON strings, one in a line; one
verdict in JSON for each."""

import json
import sys
import tomllib

import fastjsonschema

with open(sys.argv[1], encoding="utf-8") as file:
    # the validator takes every `$` for the end of the text, also in a set of characters, unless it is escaped
    validate = fastjsonschema.compile(json.loads(file.read().replace("[!#$", r"[!#\\$")))

for line in sys.stdin:
    fault = None
    try:
        validate(tomllib.loads(json.loads(line)))
    except fastjsonschema.JsonSchemaValueException as error:
        fault = f"{error.name}: {error.rule}"
    print(json.dumps({"fault": fault}))
