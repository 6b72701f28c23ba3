"""Whatever JSON the gate is given, it never raises, and it qualifies only what is still perfect."""

from __future__ import annotations

import copy
import json

import perfect
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from isometal.optable import OPS
from isometal.parity import evidence as documents
from isometal.parity import gate

# Three rows stand for all, one of them optional: a document that is ten times smaller is read ten times as often.
TABLE = {name: OPS[name] for name in ("add", "sum", "scaled_dot_product_attention")}
SMALL = perfect.evidence(cells=tuple(cell for cell in perfect.evidence().cells if cell.op in TABLE))
PERFECT = documents.to_json(SMALL)

scalars = st.one_of(
    st.none(),
    st.booleans(),
    st.integers(-(2**70), 2**70),
    st.floats(),
    st.text(max_size=20),
    st.sampled_from(["metal", "cpu", "apple-gpu", "software", "inf", "nan", "float32", "R", "", "0" * 64]),
)
hostile = st.recursive(
    scalars,
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(max_size=10), inner, max_size=4),
    max_leaves=12,
)


def paths(value, prefix=()):
    yield prefix
    if isinstance(value, dict):
        for key, item in value.items():
            yield from paths(item, (*prefix, key))
    elif isinstance(value, list):
        # Cells are alike: the first, and one in the middle, stand for all.
        for index in {0, len(value) // 2, len(value) - 1} if len(value) > 8 else range(len(value)):
            yield from paths(value[index], (*prefix, index))


PATHS = [path for path in paths(PERFECT) if path]


def mutate(document, path, action, value):
    """Replace, delete, duplicate or add at ``path``; paths that an earlier change removed are left alone."""
    parent = document
    for step in path[:-1]:
        try:
            parent = parent[step]
        except (KeyError, IndexError, TypeError):
            return
    last = path[-1]
    if isinstance(parent, list) and isinstance(last, int) and last < len(parent):
        if action == "delete":
            del parent[last]
        elif action == "duplicate":
            parent.append(copy.deepcopy(parent[last]))
        else:
            parent[last] = value
    elif isinstance(parent, dict):
        if action == "delete":
            parent.pop(last, None)
        elif action == "duplicate":
            parent[f"{last}_"] = parent.get(last)
        else:
            parent[last] = value


def test_the_document_that_is_spoiled_is_perfect():
    assert decide(documents.dumps(SMALL)).qualified


def decide(data):
    decision, _ = gate.decide_document(TABLE, data, perfect.INSTALLED)
    return decision


@settings(max_examples=150, deadline=None, suppress_health_check=[HealthCheck.too_slow, HealthCheck.data_too_large])
@given(
    st.lists(
        st.tuples(st.sampled_from(PATHS), st.sampled_from(["replace", "delete", "duplicate"]), hostile),
        min_size=1,
        max_size=3,
    )
)
def test_mutated_evidence_never_raises_and_never_qualifies_by_a_defect(changes):
    document = copy.deepcopy(PERFECT)
    for path, action, value in changes:
        mutate(document, path, action, value)
    try:
        text = json.dumps(document)
    except ValueError:
        return
    decision = decide(text)
    assert all(reason.code and reason.text for reason in decision.reasons)
    if decision.qualified:
        assert still_perfect(json.loads(text))


def still_perfect(document):
    """An independent reading of what perfection is: identity, device, and green counts on every required row."""
    same = ("format", "format_version", "complete", "op_table", "kernels", "goldens")
    assert all(document[name] == PERFECT[name] for name in same)
    assert document["isometal"]["version"] == PERFECT["isometal"]["version"]
    assert document["selection"]["only"] is None
    assert document["backends"]["metal"]["available"] is True
    assert document["backends"]["metal"]["device"]["kind"] == "apple-gpu"
    found = {(c["op"], c["dtype"], c["kind"]): c for c in document["cells"] if c["backend"] == "metal"}
    assert len(found) == sum(c["backend"] == "metal" for c in document["cells"])
    for op in TABLE.values():
        for dtype in ("float32", "float16", "bfloat16"):
            for kind in op.owes if op.required else ():
                cell = found[op.name, dtype, kind]
                assert cell["cases"] == cell["passed"] > 0
                assert cell["failed"] == cell["not_run"] == 0
    blocks = {b["dtype"]: b for b in document["attention_block"] if b["backend"] == "metal"}
    for dtype in ("float32", "float16", "bfloat16"):
        assert blocks[dtype]["passed"] == blocks[dtype]["cases"] > 0
    return True


@settings(max_examples=100, deadline=None)
@given(st.one_of(st.binary(max_size=300), st.text(max_size=300), hostile.map(json.dumps)))
def test_arbitrary_documents_are_malformed(data):
    decision = decide(data)
    assert [reason.code for reason in decision.reasons] == ["malformed"]


@settings(max_examples=60, deadline=None)
@given(st.data())
def test_cut_or_flipped_bytes_never_raise(data):
    text = documents.dumps(SMALL).encode()
    # The last two bytes are the closing brace and a newline.
    place = data.draw(st.integers(0, len(text) - 2))
    cut = text[:place]
    assert [reason.code for reason in decide(cut).reasons] == ["malformed"]
    flipped = bytearray(text)
    flipped[place] ^= data.draw(st.integers(1, 255))
    decide(bytes(flipped))
