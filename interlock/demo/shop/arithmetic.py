"""The shop's calculator: numbers, + - * /, signs, parentheses and spaces; nothing is executed."""

import ast
import math
import operator
from collections.abc import Callable
from typing import Final

from interlock.demo.shop.refusal import RefusalError

MAX_LENGTH: Final = 1000
"""Longest expression taken; nesting is bounded with it."""

_ALLOWED: Final = frozenset("0123456789+-*/(). ")
_OPERATIONS: Final[dict[type[ast.operator], Callable[[float, float], float]]] = {
    ast.Add: operator.add,
    ast.Sub: operator.sub,
    ast.Mult: operator.mul,
    ast.Div: operator.truediv,
}
_SIGNS: Final[dict[type[ast.unaryop], Callable[[float], float]]] = {
    ast.UAdd: operator.pos,
    ast.USub: operator.neg,
}


def calculate_amount(expression: str) -> str:
    """Return the value of an expression, rounded to 2 places.

    Raises:
        RefusalError: It holds something else, is not arithmetic, or has no finite value.
    """
    if len(expression) > MAX_LENGTH or not _ALLOWED.issuperset(expression):
        raise RefusalError("invalid characters in expression")
    try:
        value = _evaluate(ast.parse(expression.strip(), mode="eval").body)
    except (SyntaxError, ValueError, ArithmeticError, RecursionError, MemoryError) as exc:
        raise RefusalError("the expression has no value") from exc
    if not math.isfinite(value):
        raise RefusalError("the expression has no value")
    return str(round(value, 2))


def _evaluate(node: ast.expr) -> float:
    match node:
        case ast.Constant(value=int() | float() as value):
            return float(value)
        case ast.BinOp(left=left, op=op, right=right) if type(op) in _OPERATIONS:
            return _OPERATIONS[type(op)](_evaluate(left), _evaluate(right))
        case ast.UnaryOp(op=sign, operand=operand) if type(sign) in _SIGNS:
            return _SIGNS[type(sign)](_evaluate(operand))
        case _:
            raise ValueError(type(node).__name__)
