// msl/operators.h - operators whose meaning in Metal is not clang's: comparisons of vectors, vectors with
// other scalars. Owned by the front end (python/isometal/soft/msl/*.py), not by the headers. See
// CONVENTIONS.md.
#pragma once

// `a < b` becomes `a < __msl_infix() < b`: the first half keeps `a`, the second does the work. So neither the
// extent nor the type of the operands has to be known to the rewriter.

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
