"""The schemas that the command line prints."""

import json

from click.testing import CliRunner
from jsonschema import Draft202012Validator

from raikit.cli.app import app
from raikit.run.record import Gate, Record


def test_the_schema_of_the_record_accepts_a_record_and_refuses_another_file():
    printed = CliRunner().invoke(app, ["schema", "--record"])
    schema = json.loads(printed.output)
    Draft202012Validator.check_schema(schema)
    validator = Draft202012Validator(schema)
    record = json.loads(Record(name="m", verdict="pass", gate=Gate(verdict="pass")).model_dump_json())
    assert validator.is_valid(record)
    assert not validator.is_valid({**record, "verdict": "maybe"})
