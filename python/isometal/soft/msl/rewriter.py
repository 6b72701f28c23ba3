"""Metal source, preprocessed, becomes C++ for OpenCL: the passes in order."""

from __future__ import annotations

from dataclasses import dataclass, field

from isometal.soft.msl.brackets import separate_attributes
from isometal.soft.msl.declarations import Source
from isometal.soft.msl.diagnostics import Diagnostic, RejectedSource
from isometal.soft.msl.edits import Edits, Rendered
from isometal.soft.msl.entries import add_constant_descriptions, add_entries, mark_attributes
from isometal.soft.msl.lint import lint
from isometal.soft.msl.passes.address_spaces import rewrite_address_spaces
from isometal.soft.msl.passes.attributes import remove_attributes
from isometal.soft.msl.passes.casts import rewrite_casts
from isometal.soft.msl.passes.classes import rewrite_classes
from isometal.soft.msl.passes.constants import FunctionConstant, rewrite_function_constants, rewrite_static_members
from isometal.soft.msl.passes.constructors import rewrite_vector_constructors
from isometal.soft.msl.passes.function_parameters import rewrite_function_parameters
from isometal.soft.msl.passes.kernels import Instantiation, KernelFunction, find_instantiations, find_kernels
from isometal.soft.msl.passes.keywords import rewrite_keywords
from isometal.soft.msl.passes.repairs import Repairs, rewrite_repairs
from isometal.soft.msl.passes.threadgroup import ThreadgroupVariable, rewrite_threadgroup_variables
from isometal.soft.msl.passes.vector_types import VectorTypes, rewrite_bool_vectors
from isometal.soft.msl.tokens import lex

__all__ = ["Rewritten", "read", "rewrite"]


@dataclass(slots=True)
class Rewritten:
    """The new text, and what the passes learned about the source."""

    rendered: Rendered
    source: Source
    kernels: list[KernelFunction] = field(default_factory=list)
    instantiations: list[Instantiation] = field(default_factory=list)
    threadgroup_variables: list[ThreadgroupVariable] = field(default_factory=list)
    constants: list[FunctionConstant] = field(default_factory=list)


def read(text: str, name: str = "program_source") -> Source:
    """Tokens and outline of preprocessed text. Raises RejectedSource where brackets do not match."""
    return Source(separate_attributes(lex(text, name)))


def rewrite(source: Source, repairs: Repairs | None = None) -> Rewritten:
    """The source as C++ for OpenCL. `repairs`: places where a first attempt needed more (repair.py).

    Raises RejectedSource with all that Metal does not allow and clang would.
    """
    edits = Edits()
    problems: list[Diagnostic] = []
    kernels = find_kernels(source, problems)
    instantiations = find_instantiations(source, kernels, problems)
    vectors = VectorTypes(source)
    lint(source, problems)
    rewrite_keywords(source, edits)
    rewrite_address_spaces(source, edits)
    remove_attributes(source, edits)
    constants = rewrite_function_constants(source, edits, problems)
    rewrite_static_members(source, edits)
    rewrite_bool_vectors(source, edits)
    rewrite_vector_constructors(source, edits, vectors)
    rewrite_casts(source, edits, vectors)
    rewrite_function_parameters(source, edits)
    rewrite_classes(source, edits)
    variables = rewrite_threadgroup_variables(source, edits, kernels, problems)
    rewrite_repairs(source, edits, repairs or Repairs())
    mark_attributes(source, edits, kernels)
    add_constant_descriptions(source, edits, constants)
    add_entries(source, edits, instantiations)
    if any(problem.severity == "error" for problem in problems):
        raise RejectedSource(problems)
    return Rewritten(edits.render(source.tokens), source, kernels, instantiations, variables, constants)
