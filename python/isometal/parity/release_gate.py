"""`python -m isometal.parity.release_gate EVIDENCE`: may this source tree build with Metal as the default?

For build scripts: a release build with ISOMETAL_DEFAULT_BACKEND=metal runs it and fails unless it exits 0. Needs the
standard library, NumPy and jsonschema, no built extension. Exits 0 qualified, 3 not qualified, 2 usage or environment.
"""

from __future__ import annotations

import sys
from collections.abc import Sequence

from isometal import provenance
from isometal.optable import OPS
from isometal.parity import evidence, gate

QUALIFIED, USAGE, REFUSED = 0, 2, 3


def main(arguments: Sequence[str]) -> int:
    if len(arguments) != 1 or arguments[0].startswith("-"):
        print("usage: python -m isometal.parity.release_gate EVIDENCE", file=sys.stderr)
        return USAGE
    path = arguments[0]
    try:
        data = evidence.read_bytes(path)
    except OSError as error:
        print(
            f"[gate] {path} cannot be read: {error.strerror}; give the file of `isometal parity --json`.",
            file=sys.stderr,
        )
        return USAGE
    except evidence.EvidenceError as error:
        print(f"refused  malformed: {error.reason}")
        return REFUSED
    decision, _ = gate.decide_document(OPS, data, provenance.installed())
    for reason in decision.reasons:
        print(f"refused  {reason.code}: {reason.text}")
    print(f"Metal is {'qualified' if decision.qualified else 'not qualified'} as the default by {path}.")
    return QUALIFIED if decision.qualified else REFUSED


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
