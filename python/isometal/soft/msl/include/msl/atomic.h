// isometal: msl/atomic.h
// <metal_atomic>: atomic objects in device and threadgroup memory, and the fence. Needs compute.h.
#pragma once

// These names are types of C++ for OpenCL.
#define atomic_int __msl_atomic_int
#define atomic_uint __msl_atomic_uint
#define atomic_float __msl_atomic_float
#define atomic_ulong __msl_atomic_ulong

namespace metal {

// The numbers are AIR's.
enum memory_order {
  memory_order_relaxed = 0,
  memory_order_acquire = 2,
  memory_order_release = 3,
  memory_order_acq_rel = 4,
  memory_order_seq_cst = 5
};

/// What an atomic object is made of; hardware knows 32 and 64 bits, so a bool is an int of 0 or 1.
template <class T>
struct __msl_atomic_storage {};
template <>
struct __msl_atomic_storage<int> {
  using type = int;
};
template <>
struct __msl_atomic_storage<uint> {
  using type = uint;
};
template <>
struct __msl_atomic_storage<float> {
  using type = float;
};
template <>
struct __msl_atomic_storage<ulong> {
  using type = ulong;
};
template <>
struct __msl_atomic_storage<bool> {
  using type = int;
};

/// An object that only the functions below may touch. T is int, uint, float, bool or ulong.
template <class T>
struct atomic {
  typename __msl_atomic_storage<T>::type __value;
};
typedef atomic<int> atomic_int;
typedef atomic<uint> atomic_uint;
typedef atomic<float> atomic_float;
typedef atomic<bool> atomic_bool;
typedef atomic<ulong> atomic_ulong;

// ---- AIR: SPACE is global (scope 2: device) or local (scope 1: threadgroup); all accesses are volatile, as
// on Apple.

#define MSL_ATOMIC_ACCESS(space, SPACE, T, suffix)                                                     \
  T __air_atomic_load(const volatile space T* object, int order, int scope,                            \
                      bool is_volatile) __asm("air.atomic." SPACE ".load." suffix) MSL_WRITES;         \
  void __air_atomic_store(volatile space T* object, T value, int order, int scope,                     \
                          bool is_volatile) __asm("air.atomic." SPACE ".store." suffix) MSL_WRITES;    \
  T __air_atomic_exchange(volatile space T* object, T value, int order, int scope,                     \
                          bool is_volatile) __asm("air.atomic." SPACE ".xchg." suffix) MSL_WRITES;     \
  T __air_atomic_compare_exchange(                                                                     \
      volatile space T* object, __private T* expected, T desired, int success, int failure, int scope, \
      bool is_volatile) __asm("air.atomic." SPACE ".cmpxchg.weak." suffix) MSL_WRITES;
#define MSL_ATOMIC_FETCH(space, SPACE, op, T, suffix)                          \
  T __air_atomic_##op(volatile space T* object, T value, int order, int scope, \
                      bool is_volatile) __asm("air.atomic." SPACE "." #op "." suffix) MSL_WRITES;
#define MSL_ATOMIC_INTEGER(space, SPACE, T, suffix) \
  MSL_ATOMIC_ACCESS(space, SPACE, T, "i32")         \
  MSL_ATOMIC_FETCH(space, SPACE, add, T, suffix)    \
  MSL_ATOMIC_FETCH(space, SPACE, sub, T, suffix)    \
  MSL_ATOMIC_FETCH(space, SPACE, min, T, suffix)    \
  MSL_ATOMIC_FETCH(space, SPACE, max, T, suffix)    \
  MSL_ATOMIC_FETCH(space, SPACE, and, T, suffix)    \
  MSL_ATOMIC_FETCH(space, SPACE, or, T, suffix)     \
  MSL_ATOMIC_FETCH(space, SPACE, xor, T, suffix)
#define MSL_ATOMICS(space, SPACE)                     \
  MSL_ATOMIC_INTEGER(space, SPACE, int, "s.i32")      \
  MSL_ATOMIC_INTEGER(space, SPACE, uint, "u.i32")     \
  MSL_ATOMIC_ACCESS(space, SPACE, float, "f32")       \
  MSL_ATOMIC_FETCH(space, SPACE, add, float, "f32")   \
  MSL_ATOMIC_FETCH(space, SPACE, sub, float, "f32")   \
  MSL_ATOMIC_FETCH(space, SPACE, min, ulong, "u.i64") \
  MSL_ATOMIC_FETCH(space, SPACE, max, ulong, "u.i64")
MSL_ATOMICS(__global, "global")
MSL_ATOMICS(__local, "local")

// ---- Metal's functions

template <class T>
struct __msl_identity {
  using type = T;
};
/// A parameter of type T that takes no part in deducing T, so that 1 is a value for an atomic_uint.
template <class T>
using __msl_value_of = typename __msl_identity<T>::type;

#define MSL_ATOMIC_FETCH_FUNCTION(space, scope, op)                                                    \
  template <class T>                                                                                   \
  MSL_FUNC T atomic_fetch_##op##_explicit(volatile space atomic<T>* object, __msl_value_of<T> operand, \
                                          memory_order order) {                                        \
    return __air_atomic_##op(&object->__value, operand, order, scope, true);                           \
  }
#define MSL_ATOMIC_FUNCTIONS(space, scope)                                                               \
  template <class T>                                                                                     \
  MSL_FUNC void atomic_store_explicit(volatile space atomic<T>* object, __msl_value_of<T> desired,       \
                                      memory_order order) {                                              \
    __air_atomic_store(&object->__value, desired, order, scope, true);                                   \
  }                                                                                                      \
  template <class T>                                                                                     \
  MSL_FUNC T atomic_load_explicit(const volatile space atomic<T>* object, memory_order order) {          \
    return T(__air_atomic_load(&object->__value, order, scope, true));                                   \
  }                                                                                                      \
  template <class T>                                                                                     \
  MSL_FUNC T atomic_exchange_explicit(volatile space atomic<T>* object, __msl_value_of<T> desired,       \
                                      memory_order order) {                                              \
    return T(__air_atomic_exchange(&object->__value, desired, order, scope, true));                      \
  }                                                                                                      \
  /* The comparison that says whether it succeeded is that of T: a NaN is never equal, as on Apple. */   \
  template <class T>                                                                                     \
  MSL_FUNC bool atomic_compare_exchange_weak_explicit(volatile space atomic<T>* object,                  \
                                                      __private T* expected, __msl_value_of<T> desired,  \
                                                      memory_order success, memory_order failure) {      \
    typename __msl_atomic_storage<T>::type wanted = *expected, found = wanted;                           \
    auto old =                                                                                           \
        __air_atomic_compare_exchange(&object->__value, &found, desired, success, failure, scope, true); \
    *expected = T(old);                                                                                  \
    return old == wanted;                                                                                \
  }                                                                                                      \
  MSL_ATOMIC_FETCH_FUNCTION(space, scope, add)                                                           \
  MSL_ATOMIC_FETCH_FUNCTION(space, scope, sub)                                                           \
  MSL_ATOMIC_FETCH_FUNCTION(space, scope, min)                                                           \
  MSL_ATOMIC_FETCH_FUNCTION(space, scope, max)                                                           \
  MSL_ATOMIC_FETCH_FUNCTION(space, scope, and)                                                           \
  MSL_ATOMIC_FETCH_FUNCTION(space, scope, or)                                                            \
  MSL_ATOMIC_FETCH_FUNCTION(space, scope, xor)                                                           \
  MSL_FUNC void atomic_min_explicit(volatile space atomic_ulong* object, ulong operand,                  \
                                    memory_order order) {                                                \
    __air_atomic_min(&object->__value, operand, order, scope, true);                                     \
  }                                                                                                      \
  MSL_FUNC void atomic_max_explicit(volatile space atomic_ulong* object, ulong operand,                  \
                                    memory_order order) {                                                \
    __air_atomic_max(&object->__value, operand, order, scope, true);                                     \
  }
MSL_ATOMIC_FUNCTIONS(__global, thread_scope_device)
MSL_ATOMIC_FUNCTIONS(__local, thread_scope_threadgroup)

void __air_atomic_fence(int flags, int order, int scope) __asm("air.atomic.fence") MSL_WRITES;

/// Orders this thread's accesses to memory of the kinds in `flags`.
MSL_FUNC void atomic_thread_fence(mem_flags flags, memory_order order,
                                  thread_scope scope = thread_scope_device) {
  __air_atomic_fence(int(flags), order, scope);
}

}  // namespace metal

#undef MSL_ATOMIC_ACCESS
#undef MSL_ATOMIC_FETCH
#undef MSL_ATOMIC_INTEGER
#undef MSL_ATOMICS
#undef MSL_ATOMIC_FETCH_FUNCTION
#undef MSL_ATOMIC_FUNCTIONS
