"""Which guarded tools a worker is known to have: found in what it was declared with.

Called when a team is built, so that the supervisor knows a tool's `undo` after a restart, and
whether a worker may do what cannot be undone, before it has called anything.
"""

from collections.abc import Iterable, Iterator, Mapping
from typing import Any

from langgraph.prebuilt import ToolNode
from langgraph.pregel import Pregel

from interlock.tools.declaration import EffectDeclaration


def find_declarations(source: object) -> list[EffectDeclaration]:
    """Return the declarations of the guarded tools in a source, each once.

    Args:
        source: A guarded function or tool; a middleware that guards tools; a compiled graph, whose
            tool nodes and subgraphs are looked through. Nothing is found in anything else.
    """
    found: dict[int, EffectDeclaration] = {}
    for declaration in _search(source, seen=set()):
        found.setdefault(id(declaration), declaration)
    return list(found.values())


def _search(source: object, *, seen: set[int]) -> Iterator[EffectDeclaration]:
    if id(source) in seen:
        return
    seen.add(id(source))
    if isinstance(source, Pregel):
        for node in source.nodes.values():
            for part in (node.bound, *node.subgraphs):
                yield from _search(part, seen=seen)
        return
    if isinstance(source, ToolNode):
        for tool in source.tools_by_name.values():
            yield from _search(tool, seen=seen)
        return
    yield from _read_marks(source)
    for name in ("func", "coroutine"):  # of a LangChain tool made of a guarded function
        yield from _read_marks(getattr(source, name, None))


def _read_marks(source: Any) -> Iterator[EffectDeclaration]:  # noqa: ANN401 - anything
    one = getattr(source, "effect_declaration", None)
    if isinstance(one, EffectDeclaration):
        yield one
    many = getattr(source, "effect_declarations", None)
    if isinstance(many, Mapping):
        many = many.values()
    if isinstance(many, Iterable):
        yield from (item for item in many if isinstance(item, EffectDeclaration))
