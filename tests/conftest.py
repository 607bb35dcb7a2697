"""For all tests: the contract suites and shared modules tell what differs, as test modules do."""

import pytest

pytest.register_assert_rewrite("suites")
