"""Numbers as C has them."""

import numpy as np

from export.firmware.tables import literal, table_rows


def test_the_smallest_word_is_no_literal_and_all_others_are():
    assert literal(-(1 << 31)) == "-2147483647 - 1"
    assert literal(1 - (1 << 31)) == "-2147483647"
    assert literal((1 << 31) - 1) == "2147483647"
    assert list(table_rows(np.array([[-1, 2]], np.int8))) == ["    {-1, 2},"]
    assert list(table_rows(np.array([[1, 2**32 - 1]], np.uint32))) == [
        "    {0x00000001u, 0xffffffffu},"
    ]
