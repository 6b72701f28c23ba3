"""`pytest tests/property --hypothesis-profile=deep` tries each law on many more examples than `ci`, the default."""

from __future__ import annotations

from isometal.parity.properties import register_profiles

register_profiles()
