// msl/entry.h - threadgroup variables, and what makes kernels callable and known to the front end.
// Owned by the front end (python/isometal/soft/msl/*.py), not by the headers. See CONVENTIONS.md.
#pragma once

extern "C" __local void* __msl_threadgroup_variable(int id, unsigned long size, unsigned long alignment)
    __attribute__((const));

/// Initialises `threadgroup T x[n];`, which becomes a reference, with the variable number `Id`.
template <int Id>
struct __msl_threadgroup {
  template <class T>
  MSL_INLINE operator __local T&() const {
    return *(__local T*)__msl_threadgroup_variable(Id, sizeof(T), alignof(T));
  }
};

// An entry function takes what AIR passes (references are pointers) and calls the user's kernel; a describing
// function tells the front end sizes and types. So no parameter type is ever parsed.

template <class F, int I>
struct __msl_parameter;
template <class R, class A, class... P, int I>
struct __msl_parameter<R(A, P...), I> : __msl_parameter<R(P...), I - 1> {};
template <class R, class A, class... P>
struct __msl_parameter<R(A, P...), 0> {
  using type = A;
};

template <class T>
struct __msl_plain {
  using type = T;
  static constexpr __constant int space = 0;
};
#define MSL_SPACE(QUALIFIER, NUMBER)                \
  template <class T>                                \
  struct __msl_plain<QUALIFIER T> {                 \
    using type = __remove_cv(T);                    \
    static constexpr __constant int space = NUMBER; \
  };                                                \
  template <class T>                                \
  struct __msl_plain<const QUALIFIER T> {           \
    using type = __remove_cv(T);                    \
    static constexpr __constant int space = NUMBER; \
  };                                                \
  template <class T>                                \
  struct __msl_plain<volatile QUALIFIER T> {        \
    using type = __remove_cv(T);                    \
    static constexpr __constant int space = NUMBER; \
  };                                                \
  template <class T>                                \
  struct __msl_plain<const volatile QUALIFIER T> {  \
    using type = __remove_cv(T);                    \
    static constexpr __constant int space = NUMBER; \
  };
MSL_SPACE(__global, 1)
MSL_SPACE(__constant, 2)
MSL_SPACE(__local, 3)
MSL_SPACE(__private, 4)
#undef MSL_SPACE

template <class T>
struct __msl_size {
  static constexpr __constant unsigned long size = sizeof(T);
  static constexpr __constant unsigned long alignment = alignof(T);
};
template <>
struct __msl_size<void> {
  static constexpr __constant unsigned long size = 1;
  static constexpr __constant unsigned long alignment = 1;
};

enum __msl_argument_kind { __msl_value = 0, __msl_pointer = 1, __msl_reference = 2 };

template <class T>
struct __msl_argument {
  using type = T;
  using plain = __remove_cv(T);
  static constexpr __constant int kind = __msl_value, space = 0, is_const = 1;
  static MSL_INLINE T pass(T x) { return x; }
};
template <class T>
struct __msl_argument<T*> {
  using type = T*;
  using plain = typename __msl_plain<T>::type;
  static constexpr __constant int kind = __msl_pointer, space = __msl_plain<T>::space,
                                  is_const = __is_const(T);
  static MSL_INLINE T* pass(T* x) { return x; }
};
template <class T>
struct __msl_argument<T* const> : __msl_argument<T*> {};
template <class T>
struct __msl_argument<T&> {
  using type = T*;
  using plain = typename __msl_plain<T>::type;
  static constexpr __constant int kind = __msl_reference, space = __msl_plain<T>::space,
                                  is_const = __is_const(T);
  static MSL_INLINE T& pass(T* x) { return *x; }
};

template <class F, int I>
using __msl_entry_argument = __msl_argument<typename __msl_parameter<F, I>::type>;

extern "C" void __msl_describe_argument(int kernel_index, int index, int kind, int space, int is_const,
                                        unsigned long size, unsigned long alignment,
                                        const __constant char* type);

template <int Kernel, int Index, class A, class T>
void __msl_describe() {
  __msl_describe_argument(Kernel, Index, A::kind, A::space, A::is_const, __msl_size<T>::size,
                          __msl_size<T>::alignment, __PRETTY_FUNCTION__);
}

/// The value of an attribute: what (AttributeKind in entries.py), of which parameter.
template <int What, int Parameter, int Value>
void __msl_attribute();

template <int Number, int Index, class T>
void __msl_describe_constant(const __constant T* address);
