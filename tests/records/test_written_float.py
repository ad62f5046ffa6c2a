from __future__ import annotations

import json

from apportion.records.written_float import WrittenFloat


def test_a_number_of_json_stays_as_it_was_written() -> None:
    numbers = json.loads("[1.10, 0.00001, 1e5]", parse_float=WrittenFloat)
    assert [str(number) for number in numbers] == ["1.10", "0.00001", "1e5"]
    assert numbers == [1.1, 0.00001, 100000.0]
    assert json.dumps(numbers[0]) == "1.1"
