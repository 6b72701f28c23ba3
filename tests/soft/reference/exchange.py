"""Threads that hand values to each other through threadgroup memory, in control flow that all of them share."""

from __future__ import annotations

from reference.ground import Ground
from reference.writer import Value

_THREADGROUP = (Value("i32", "2"), Value("i32", "1"))


def through_threadgroup(ground: Ground, *, first_stays: bool) -> None:
    """Each thread reads what another wrote; `first_stays`: thread 0 has not returned, and tells all something."""
    w, e, rng = ground.writer, ground.expressions, ground.rng
    memory = rng.choice([ground.shared, ground.lent])
    w.rendezvous("void", "air.wg.barrier", *_THREADGROUP)
    w.store(e.integer("i32", 2), w.address("i32", memory, ground.index), 4)
    first = w.value("i1", f"icmp eq {ground.index}, 0")
    then, after = w.fresh("cell"), w.fresh("share")
    w.branch(first, then, after)
    w.begin(then)
    field = rng.randrange(3)
    cell = f"getelementptr inbounds ({{ i16, [3 x i32] }}, ptr addrspace(3) @cells, i64 0, i32 1, i64 {field})"
    w.emit(f"store {e.integer('i32', 1)}, ptr addrspace(3) {cell}, align 4")
    w.begin(after)
    w.rendezvous("void", "air.wg.barrier", *_THREADGROUP)
    distance = w.binary("add", ground.index, e.masked(e.uniform(), 63))
    neighbour = w.binary("urem", distance, ground.threads)
    value = w.load("i32", w.address("i32", memory, neighbour), 4)
    if first_stays:
        value = w.binary("xor", value, w.value("i32", f"load i32, ptr addrspace(3) {cell}, align 4"))
    ground.assign(value)
    w.rendezvous("void", "air.wg.barrier", *_THREADGROUP)


def through_simdgroup(ground: Ground) -> None:
    """Lanes read what others of their simdgroup wrote, with other rendezvous between the barriers that order it."""
    w, e, rng = ground.writer, ground.expressions, ground.rng

    def distraction() -> Value:
        name = rng.choice(["air.simd_sum.s.i32", "air.simd_max.u.i32", "air.simd_broadcast_first.s.i32"])
        return w.rendezvous("i32", name, e.integer("i32", 1))

    def neighbour() -> Value:
        start = w.binary("and", ground.index, Value("i32", "-32"))
        lane = e.masked(w.binary("add", ground.index, Value("i32", str(rng.randrange(1, 32)))), 31)
        other = w.binary("add", start, lane)
        exists = w.value("i1", f"icmp ult {other}, {ground.threads.text}")
        return w.address("i32", memory, w.select(exists, other, ground.index))

    memory = rng.choice([ground.shared, ground.lent])
    own = w.address("i32", memory, ground.index)
    w.rendezvous("void", "air.wg.barrier", *_THREADGROUP)
    w.store(e.integer("i32", 2), own, 4)
    w.rendezvous("void", "air.simdgroup.barrier", *_THREADGROUP)
    before = distraction() if rng.random() < 0.7 else e.integer("i32", 1)
    read = w.load("i32", neighbour(), 4)
    w.rendezvous("void", "air.simdgroup.barrier", *_THREADGROUP)
    after = distraction() if rng.random() < 0.7 else e.integer("i32", 1)
    w.store(w.binary("add", before, after), own, 4)
    w.rendezvous("void", "air.simdgroup.barrier", *_THREADGROUP)
    ground.assign(w.binary("xor", read, w.load("i32", neighbour(), 4)))
    w.rendezvous("void", "air.wg.barrier", *_THREADGROUP)


def matrix_products(ground: Ground) -> None:
    """Products of 8x8 matrices of small whole numbers, one in a loop; all lanes of all simdgroups are here."""
    w, e, rng = ground.writer, ground.expressions, ground.rng
    element, spelling = rng.choice([("float", "f32"), ("half", "f16")])
    wide = f"<64 x {element}>"
    name = f"air.simdgroup_matrix_8x8_multiply_accumulate.v64f32.v64{spelling}.v64{spelling}.v64f32"

    def matrix() -> Value:
        value = Value(wide, rng.choice(["undef", "zeroinitializer", "poison"]))
        for index in range(2):
            small = e.masked(e.integer("i32", 1), 7)
            part = w.call(element, f"air.convert.f.{spelling}.u.i32", small)
            value = w.value(wide, f"insertelement {value}, {part}, i64 {index}")
        return value

    zero = Value("<64 x float>", "zeroinitializer")
    start = w.rendezvous("<64 x float>", name, matrix(), matrix(), zero)
    a, b = matrix(), matrix()
    limit = e.masked(e.uniform(), 3)
    before, header, done = w.label, w.fresh("product"), w.fresh("produced")
    counter, following, total = f"%{w.fresh('i')}", f"%{w.fresh('n')}", f"%{w.fresh('acc')}"
    w.begin(header)
    w.emit(f"{counter} = phi i32 [ 0, %{before} ], [ {following}, %{header} ]")
    at = len(w.lines)
    product = w.rendezvous("<64 x float>", name, a, b, Value("<64 x float>", total))
    w.lines.insert(at, f"  {total} = phi <64 x float> [ {start.text}, %{before} ], [ {product.text}, %{header} ]")
    w.emit(f"{following} = add nuw nsw i32 {counter}, 1")
    w.branch(w.value("i1", f"icmp ult i32 {counter}, {limit.text}"), header, done)
    w.begin(done)
    ground.assign(w.value("float", f"extractelement {product}, i64 {rng.randrange(2)}"))
