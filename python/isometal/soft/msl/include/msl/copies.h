// msl/copies.h - members that let objects be copied between all address spaces.
// Owned by the front end (python/isometal/soft/msl/*.py), not by the headers. See CONVENTIONS.md.
#pragma once

#define MSL_INLINE inline __attribute__((always_inline))

// In Metal, objects are copied between all address spaces. Here, implicit copies know thread, device and
// threadgroup (which "generic" covers); these members add constant. Defaulted constructors leave an aggregate
// an aggregate.

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
