// msl/support.h - what the rewriter puts into the user's source, defined. See CONVENTIONS.md.
// Owned by the front end (python/isometal/soft/msl/*.py), not by the headers.
#pragma once

// Functions as template arguments. Calls through pointers are rejected later (ir_checks.py), as Metal has
// none.
#pragma OPENCL EXTENSION __cl_clang_function_pointers : enable

#define MSL_INLINE inline __attribute__((always_inline))

// ---- classes
// ------------------------------------------------------------------------------------------------ In Metal,
// objects are copied between all address spaces. Here, implicit copies know thread, device and threadgroup
// (which "generic" covers); these members add constant. Defaulted constructors leave an aggregate an
// aggregate.

template <class A, class B>
struct __msl_same {};
template <class A>
struct __msl_same<A, A> {
  using type = int;
};

#define MSL_COPY_CONSTRUCTORS(S)   \
  constexpr S(const S&) = default; \
  constexpr S(const __constant S&) = default;
#define MSL_COPY_ASSIGNMENTS(S)                                               \
  S& operator=(const S&) = default;                                           \
  template <class __msl_other, typename __msl_same<__msl_other, S>::type = 0> \
  MSL_INLINE S& operator=(const __constant __msl_other& other) {              \
    return *this = __msl_other(other);                                        \
  }
#define MSL_COPIES(S) MSL_COPY_CONSTRUCTORS(S) MSL_COPY_ASSIGNMENTS(S)

// ---- conversions
// --------------------------------------------------------------------------------------------

template <class T>
struct __msl_is_bool_vector {
  static constexpr __constant bool value = false;
};

// vec<T, N> for a T that may be bool, where it need not be deduced.
template <class T, int N>
struct __msl_vector_type {
  using type = vec<T, N>;
};
template <int N>
struct __msl_vector_type<bool, N> {
  using type = __msl_bool_vector<N>;
};
template <class T, int N>
using __msl_any_vector = typename __msl_vector_type<T, N>::type;

template <int N>
struct __msl_is_bool_vector<__msl_bool_vector<N>> {
  static constexpr __constant bool value = true;
};

/// What static_cast<T>(x), and T(x) for vectors, mean in Metal.
template <class T, class U>
MSL_INLINE constexpr T __msl_cast(U x) {
  constexpr int to = __msl_vector_traits<T>::size;
  constexpr int from = __msl_vector_traits<U>::size;
  using element = typename __msl_vector_traits<T>::value_type;
  if constexpr (__is_same(T, U)) {
    return x;
  } else if constexpr (__msl_is_bool_vector<T>::value && from == to) {
    if constexpr (to == 2)
      return T{x[0] != 0, x[1] != 0};
    else if constexpr (to == 3)
      return T{x[0] != 0, x[1] != 0, x[2] != 0};
    else
      return T{x[0] != 0, x[1] != 0, x[2] != 0, x[3] != 0};
  } else if constexpr (__msl_is_bool_vector<U>::value && from == to) {
    if constexpr (to == 2)
      return T{element(x.x), element(x.y)};
    else if constexpr (to == 3)
      return T{element(x.x), element(x.y), element(x.z)};
    else
      return T{element(x.x), element(x.y), element(x.z), element(x.w)};
  } else if constexpr (to > 0 && from > 0) {
    static_assert(to == from, "vectors of different sizes");
    using source = typename __msl_vector_traits<U>::value_type;
    // clang makes an invalid conversion of half to bfloat and back; float holds both.
    if constexpr ((__is_same(source, half) && __is_same(element, __bf16)) ||
                  (__is_same(source, __bf16) && __is_same(element, half)))
      return __builtin_convertvector(__builtin_convertvector(x, vec<float, to>), T);
    else
      return __builtin_convertvector(x, T);
  } else if constexpr (__msl_is_bool_vector<T>::value) {
    const bool all = static_cast<bool>(x);
    if constexpr (to == 2)
      return T{all, all};
    else if constexpr (to == 3)
      return T{all, all, all};
    else
      return T{all, all, all, all};
  } else if constexpr (to > 0 && __is_convertible(U, T) && !__is_arithmetic(U) && !__is_same(U, __bf16)) {
    return static_cast<T>(x);  // a class that converts itself
  } else if constexpr (to > 0) {
    return T(__msl_cast<element>(x));
  } else if constexpr ((__is_same(U, half) && __is_same(T, __bf16)) ||
                       (__is_same(U, __bf16) && __is_same(T, half))) {
    return static_cast<T>(static_cast<float>(x));
  } else {
    return static_cast<T>(x);
  }
}

/// (T)x for a vector type T: __msl_cast_operator<T>()->*x, which binds as tightly as a cast.
template <class T>
struct __msl_cast_operator {
  template <class U>
  MSL_INLINE constexpr T operator->*(U x) const {
    return __msl_cast<T>(x);
  }
};

template <class V, class U>
MSL_INLINE constexpr auto __msl_part(U x) {
  if constexpr (__msl_vector_traits<U>::size > 0)
    return x;
  else
    return __msl_cast<typename __msl_vector_traits<V>::value_type>(x);
}

/// V(a, b, ...) of several scalars and vectors.
template <class V, class... U>
MSL_INLINE constexpr V __msl_vector(U... parts) {
  return V{__msl_part<V>(parts)...};
}

// ---- vector comparisons and mixed arithmetic
// ------------------------------------------------------------------ `a < b` becomes `a < __msl_infix() < b`
// where clang's own meaning is not Metal's: the first half keeps `a`, the second does the work. So neither
// the extent nor the type of the operands has to be known to the rewriter.

struct __msl_infix {};

template <class T>
struct __msl_left {
  T value;
};

#define MSL_COMPARISON(OP)                                                                       \
  template <class A>                                                                             \
  MSL_INLINE constexpr __msl_left<A> operator OP(A a, __msl_infix) {                             \
    return {a};                                                                                  \
  }                                                                                              \
  template <class A, class B>                                                                    \
  MSL_INLINE constexpr auto operator OP(__msl_left<A> a, B b) {                                  \
    constexpr int n = __msl_vector_traits<A>::size;                                              \
    constexpr int m = __msl_vector_traits<B>::size;                                              \
    constexpr int size = n > m ? n : m;                                                          \
    if constexpr (size == 0 || __msl_is_bool_vector<A>::value || __msl_is_bool_vector<B>::value) \
      return a.value OP b;                                                                       \
    else if constexpr (n == 0)                                                                   \
      return __msl_bool_vector<size>::__from_mask(__msl_cast<B>(a.value) OP b);                  \
    else if constexpr (m == 0)                                                                   \
      return __msl_bool_vector<size>::__from_mask(a.value OP __msl_cast<A>(b));                  \
    else                                                                                         \
      return __msl_bool_vector<size>::__from_mask(a.value OP b);                                 \
  }
MSL_COMPARISON(==)
MSL_COMPARISON(!=)
MSL_COMPARISON(<)
MSL_COMPARISON(>)
MSL_COMPARISON(<=)
MSL_COMPARISON(>=)
#undef MSL_COMPARISON

// Vector with scalar of another type: the scalar is converted to the vector's element type.
#define MSL_ARITHMETIC(OP)                                           \
  template <class A>                                                 \
  MSL_INLINE constexpr __msl_left<A> operator OP(A a, __msl_infix) { \
    return {a};                                                      \
  }                                                                  \
  template <class A, class B>                                        \
  MSL_INLINE constexpr auto operator OP(__msl_left<A> a, B b) {      \
    constexpr int n = __msl_vector_traits<A>::size;                  \
    constexpr int m = __msl_vector_traits<B>::size;                  \
    if constexpr (n > 0 && m == 0)                                   \
      return a.value OP __msl_cast<A>(b);                            \
    else if constexpr (n == 0 && m > 0)                              \
      return __msl_cast<B>(a.value) OP b;                            \
    else                                                             \
      return a.value OP b;                                           \
  }
MSL_ARITHMETIC(+)
MSL_ARITHMETIC(-)
MSL_ARITHMETIC(*)
MSL_ARITHMETIC(/)
MSL_ARITHMETIC(%)
MSL_ARITHMETIC(&)
MSL_ARITHMETIC(|)
MSL_ARITHMETIC(^)
MSL_ARITHMETIC(<<)
MSL_ARITHMETIC(>>)
#undef MSL_ARITHMETIC

#define MSL_LOGICAL(OP)                                              \
  template <class A>                                                 \
  MSL_INLINE constexpr __msl_left<A> operator OP(A a, __msl_infix) { \
    return {a};                                                      \
  }                                                                  \
  template <class A, class B>                                        \
  MSL_INLINE constexpr auto operator OP(__msl_left<A> a, B b) {      \
    if constexpr (__msl_vector_traits<A>::size > 0)                  \
      return __msl_as_bool(a.value) OP __msl_as_bool(b);             \
    else                                                             \
      return a.value OP b;                                           \
  }
template <class T>
MSL_INLINE constexpr auto __msl_as_bool(T x) {
  return __msl_cast<__msl_bool_vector<__msl_vector_traits<T>::size>>(x);
}
MSL_LOGICAL(&&)
MSL_LOGICAL(||)
#undef MSL_LOGICAL

/// !x of a vector: __msl_not()->*x.
struct __msl_not {
  template <class T>
  MSL_INLINE constexpr auto operator->*(T x) const {
    if constexpr (__msl_vector_traits<T>::size > 0)
      return !__msl_as_bool(x);
    else
      return !x;
  }
};

/// `a += b` becomes `a += __msl_operand() = b`, which ends in one of the operators below.
template <class T>
struct __msl_right {
  T value;
};
struct __msl_operand {
  template <class T>
  MSL_INLINE constexpr __msl_right<T> operator=(T x) const {
    return {x};
  }
};
#define MSL_COMPOUND_IN(SPACE, OP)                                                       \
  template <class A, class B>                                                            \
  MSL_INLINE constexpr SPACE A& operator OP## = (SPACE A & a, __msl_right<B> b) {        \
    if constexpr (__msl_vector_traits<A>::size > 0 && __msl_vector_traits<B>::size == 0) \
      a = a OP __msl_cast<A>(b.value);                                                   \
    else if constexpr (__is_class(A))                                                    \
      a OP## = b.value;                                                                  \
    else                                                                                 \
      a = a OP b.value;                                                                  \
    return a;                                                                            \
  }
#define MSL_COMPOUND(OP) \
  MSL_COMPOUND_IN(__private, OP) MSL_COMPOUND_IN(__global, OP) MSL_COMPOUND_IN(__local, OP)
MSL_COMPOUND(+)
MSL_COMPOUND(-)
MSL_COMPOUND(*)
MSL_COMPOUND(/)
MSL_COMPOUND(%)
MSL_COMPOUND(&)
MSL_COMPOUND(|)
MSL_COMPOUND(^)
MSL_COMPOUND(<<)
MSL_COMPOUND(>>)
#undef MSL_COMPOUND
#undef MSL_COMPOUND_IN

/// `f({a, b})` where f wants a vector: an object that becomes what f wants.
template <class... T>
struct __msl_items;
template <class A, class B>
struct __msl_items<A, B> {
  A a;
  B b;
  template <class T>
  MSL_INLINE constexpr operator T() const {
    if constexpr (__msl_vector_traits<T>::size > 0)
      return __msl_vector<T>(a, b);
    else
      return T{a, b};
  }
};
template <class A, class B, class C>
struct __msl_items<A, B, C> {
  A a;
  B b;
  C c;
  template <class T>
  MSL_INLINE constexpr operator T() const {
    if constexpr (__msl_vector_traits<T>::size > 0)
      return __msl_vector<T>(a, b, c);
    else
      return T{a, b, c};
  }
};
template <class A, class B, class C, class D>
struct __msl_items<A, B, C, D> {
  A a;
  B b;
  C c;
  D d;
  template <class T>
  MSL_INLINE constexpr operator T() const {
    if constexpr (__msl_vector_traits<T>::size > 0)
      return __msl_vector<T>(a, b, c, d);
    else
      return T{a, b, c, d};
  }
};
template <class... T>
MSL_INLINE constexpr __msl_items<T...> __msl_list(T... items) {
  return {items...};
}

/// `c ? a : b` of class objects in different address spaces: `c ? __msl_arm() = a : __msl_arm() = b`.
struct __msl_arm {
  template <class T>
  MSL_INLINE constexpr T operator=(T x) const {
    return x;
  }
};

// ---- threadgroup variables
// ------------------------------------------------------------------------------------

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

// ---- kernel entries
// ------------------------------------------------------------------------------------------- An entry
// function takes what AIR passes (references are pointers) and calls the user's kernel; a describing function
// tells the front end sizes and types. So no parameter type is ever parsed.

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
