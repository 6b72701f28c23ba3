// msl/support.h - what the rewriter puts into the user's source, defined.
// Owned by the front end (python/isometal/soft/msl/*.py), not by the headers. See CONVENTIONS.md.
#pragma once

// Functions as template arguments. Calls through pointers are rejected later (ir_checks.py), as Metal has
// none.
#pragma OPENCL EXTENSION __cl_clang_function_pointers : enable

#include <msl/copies.h>

#include <msl/conversion.h>

#include <msl/operators.h>

#include <msl/entry.h>
