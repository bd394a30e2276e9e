"""Reads a YAML file, aliases resolved.

usage: yaml_reader.py FILE

It prints what is in it as JSON.
"""

import json
import sys

import yaml

with open(sys.argv[1], encoding="utf-8") as file:
    print(json.dumps(yaml.safe_load(file)))
