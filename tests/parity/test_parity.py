"""The parity checks as tests of this checkout: ``pytest -k parity``. The test itself ships in the package."""

from isometal.parity.test_parity import test_parity

__all__ = ["test_parity"]
