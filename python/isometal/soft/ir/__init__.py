"""A small model of LLVM's textual IR: what AIR is read into, rewritten in and printed from.

LLVM itself parses, verifies and optimises (through llvmlite); this model is for the changes that LLVM has no pass for.
It knows types, instructions, operands, blocks and control flow, and keeps everything else as tokens, so that what is
not touched goes through unchanged. Local names are normalised: ``%12`` becomes ``%$v12``; every block is labelled.
"""

from isometal.soft.ir.flow import FlowGraph
from isometal.soft.ir.model import (
    Argument,
    Block,
    CallSite,
    Function,
    Global,
    Instruction,
    IrError,
    Module,
    Parameter,
    Phi,
)
from isometal.soft.ir.parse import parse_instruction, parse_module

__all__ = [
    "Argument",
    "Block",
    "CallSite",
    "FlowGraph",
    "Function",
    "Global",
    "Instruction",
    "IrError",
    "Module",
    "Parameter",
    "Phi",
    "parse_instruction",
    "parse_module",
]
