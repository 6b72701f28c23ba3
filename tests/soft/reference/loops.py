"""Loops of a flow graph by dominators, and the order of two places that threads of a simdgroup are at."""

from __future__ import annotations

from reference.memory import ReferenceFault


class LoopNest:
    """The natural loops around each block. A graph that cannot be reduced to them is a fault."""

    def __init__(self, entry: str, successors: dict[str, list[str]]) -> None:
        self.entry = entry
        self.successors = successors
        self._known: dict[tuple[str, tuple[str, ...]], frozenset[str]] = {}
        dominators = _dominators(entry, successors)
        self.bodies: dict[str, set[str]] = {}
        for label in dominators:
            for following in successors[label]:
                if following in dominators[label]:
                    body = self.bodies.setdefault(following, {following})
                    _grow(body, label, {k: successors[k] for k in dominators})
        forward = {label: [s for s in successors[label] if s not in dominators[label]] for label in dominators}
        _check_acyclic(entry, forward)
        self.around: dict[str, tuple[str, ...]] = {
            label: tuple(
                sorted((h for h in self.bodies if label in self.bodies[h]), key=lambda h: -len(self.bodies[h]))
            )
            for label in dominators
        }

    def enter(self, previous: str, label: str, rounds: dict[str, int]) -> None:
        """Counts the rounds of the loop that begins at `label`."""
        body = self.bodies.get(label)
        if body is not None:
            rounds[label] = rounds[label] + 1 if previous in body else 1

    def vector(self, label: str, rounds: dict[str, int]) -> tuple[int, ...]:
        return tuple(rounds[header] for header in self.around[label])

    def may_reach(
        self, label: str, index: int, rounds: tuple[int, ...], to_label: str, to_index: int, to_rounds: tuple[int, ...]
    ) -> bool:
        """Whether a thread at the first place may yet come to the second, in those rounds of the loops around it."""
        shared = 0
        for ours, theirs in zip(self.around[label], self.around[to_label], strict=False):
            if ours != theirs:
                break
            if rounds[shared] != to_rounds[shared]:
                return rounds[shared] < to_rounds[shared]
            shared += 1
        if label == to_label:
            return index < to_index
        return to_label in self._reachable(label, self.around[label][:shared])

    def _reachable(self, label: str, closed: tuple[str, ...]) -> frozenset[str]:
        """Blocks that control can come to without going through one of the headers in `closed`."""
        known = self._known.get((label, closed))
        if known is not None:
            return known
        found: set[str] = set()
        stack = [label]
        while stack:
            for following in self.successors[stack.pop()]:
                if following not in found and following not in closed:
                    found.add(following)
                    stack.append(following)
        self._known[label, closed] = frozenset(found)
        return frozenset(found)


def _dominators(entry: str, successors: dict[str, list[str]]) -> dict[str, set[str]]:
    reached = {entry}
    stack = [entry]
    while stack:
        for following in successors[stack.pop()]:
            if following not in reached:
                reached.add(following)
                stack.append(following)
    before: dict[str, list[str]] = {label: [] for label in reached}
    for label in reached:
        for following in successors[label]:
            before[following].append(label)
    dominators = {label: set(reached) for label in reached}
    dominators[entry] = {entry}
    changed = True
    while changed:
        changed = False
        for label in reached - {entry}:
            new = set.intersection(*(dominators[b] for b in before[label])) | {label}
            if new != dominators[label]:
                dominators[label] = new
                changed = True
    return dominators


def _grow(body: set[str], label: str, successors: dict[str, list[str]]) -> None:
    """Adds to a loop's body what leads to `label` without going through the header."""
    stack = [label]
    while stack:
        member = stack.pop()
        if member not in body:
            body.add(member)
            stack += [before for before, following in successors.items() if member in following]


def _check_acyclic(entry: str, successors: dict[str, list[str]]) -> None:
    state: dict[str, int] = {}
    stack = [(entry, iter(successors[entry]))]
    state[entry] = 1
    while stack:
        label, rest = stack[-1]
        following = next(rest, None)
        if following is None:
            state[label] = 2
            stack.pop()
        elif state.get(following) == 1:
            raise ReferenceFault(f"control flow that cannot be reduced, at {following}")
        elif following not in state:
            state[following] = 1
            stack.append((following, iter(successors[following])))


def post_dominators(successors: dict[str, list[str]], exit_: str) -> dict[str, str]:
    """The immediate post-dominator of each block from which control can come to `exit_`; paths to other ends are
    left out of account: threads that return early are waited for by nobody."""
    alive = {exit_}
    changed = True
    while changed:
        more = {label for label, following in successors.items() if label not in alive and alive & set(following)}
        changed = bool(more)
        alive |= more
    post = {label: set(alive) for label in alive}
    post[exit_] = {exit_}
    changed = True
    while changed:
        changed = False
        for label in alive - {exit_}:
            new = set.intersection(*(post[s] for s in successors[label] if s in alive)) | {label}
            if new != post[label]:
                post[label] = new
                changed = True
    # Post-dominators form a chain: the nearest one is that which all the others post-dominate as well.
    return {label: max(post[label] - {label}, key=lambda p: len(post[p])) for label in alive - {exit_}}
