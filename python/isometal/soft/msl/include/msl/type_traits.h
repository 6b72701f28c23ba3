// isometal: msl/type_traits.h
// <metal_type_traits>: compile-time facts about types.
#pragma once

namespace metal {

template <class T, T v>
struct integral_constant {
  static constexpr __constant T value = v;
  using value_type = T;
  using type = integral_constant;
  MSL_FUNC constexpr operator T() const { return v; }
  MSL_FUNC constexpr operator T() const __constant { return v; }
  MSL_FUNC constexpr T operator()() const { return v; }
  MSL_FUNC constexpr T operator()() const __constant { return v; }
};
template <bool b>
using bool_constant = integral_constant<bool, b>;
using true_type = bool_constant<true>;
using false_type = bool_constant<false>;

template <bool condition, class T = void>
struct enable_if {};
template <class T>
struct enable_if<true, T> {
  using type = T;
};
template <bool condition, class T = void>
using enable_if_t = typename enable_if<condition, T>::type;

template <bool condition, class T, class F>
struct conditional {
  using type = T;
};
template <class T, class F>
struct conditional<false, T, F> {
  using type = F;
};
template <bool condition, class T, class F>
using conditional_t = typename conditional<condition, T, F>::type;

// Logical operations on traits; the names with an underscore are those that `#pragma METAL internals`
// uncovers.
template <class... B>
struct conjunction : bool_constant<(bool(B::value) && ...)> {};
template <class... B>
struct disjunction : bool_constant<(bool(B::value) || ...)> {};
template <class B>
struct negation : bool_constant<!bool(B::value)> {};
template <class... B>
using _conjunction = conjunction<B...>;
template <class... B>
using _disjunction = disjunction<B...>;
template <class B>
using _negation = negation<B>;

// A trait with its variable: is_x<T>::value and is_x_v<T>.
#define MSL_TRAIT(name, ...)                     \
  template <class T>                             \
  struct name : bool_constant<(__VA_ARGS__)> {}; \
  template <class T>                             \
  constexpr __constant bool name##_v = (__VA_ARGS__);
#define MSL_TRAIT_OF_TWO(name, ...)              \
  template <class T, class U>                    \
  struct name : bool_constant<(__VA_ARGS__)> {}; \
  template <class T, class U>                    \
  constexpr __constant bool name##_v = (__VA_ARGS__);

template <class T>
constexpr __constant bool __msl_is_floating_point = false;
template <>
constexpr __constant bool __msl_is_floating_point<float> = true;
template <>
constexpr __constant bool __msl_is_floating_point<half> = true;
template <>
constexpr __constant bool __msl_is_floating_point<bfloat> = true;

MSL_TRAIT_OF_TWO(is_same, __is_same(T, U))
MSL_TRAIT_OF_TWO(is_convertible, __is_convertible(T, U))
MSL_TRAIT_OF_TWO(is_base_of, __is_base_of(T, U))
MSL_TRAIT_OF_TWO(is_assignable, __is_assignable(T, U))
MSL_TRAIT(is_void, __is_void(T))
MSL_TRAIT(is_integral, __is_integral(T))
MSL_TRAIT(is_floating_point, __msl_is_floating_point<__remove_cv(T)>)
MSL_TRAIT(is_arithmetic, is_integral_v<T> || is_floating_point_v<T>)
MSL_TRAIT(is_fundamental, is_arithmetic_v<T> || is_void_v<T>)
MSL_TRAIT(is_scalar, is_arithmetic_v<T> || __is_enum(T) || __is_pointer(T))
MSL_TRAIT(is_enum, __is_enum(T))
MSL_TRAIT(is_union, __is_union(T))
MSL_TRAIT(is_class, __is_class(T))
MSL_TRAIT(is_function, __is_function(T))
MSL_TRAIT(is_array, __is_array(T))
MSL_TRAIT(is_pointer, __is_pointer(T))
MSL_TRAIT(is_reference, __is_reference(T))
MSL_TRAIT(is_lvalue_reference, __is_lvalue_reference(T))
MSL_TRAIT(is_rvalue_reference, __is_rvalue_reference(T))
MSL_TRAIT(is_object, __is_object(T))
MSL_TRAIT(is_compound, !is_fundamental_v<T>)
MSL_TRAIT(is_const, __is_const(T))
MSL_TRAIT(is_volatile, __is_volatile(T))
MSL_TRAIT(is_trivial, __is_trivial(T))
MSL_TRAIT(is_trivially_copyable, __is_trivially_copyable(T))
MSL_TRAIT(is_standard_layout, __is_standard_layout(T))
MSL_TRAIT(is_signed, is_floating_point_v<T> || __is_signed(T))
MSL_TRAIT(is_unsigned, __is_unsigned(T))
MSL_TRAIT(is_default_constructible, __is_constructible(T))
MSL_TRAIT(is_copy_constructible, __is_constructible(T, const T&))
MSL_TRAIT(is_move_constructible, __is_constructible(T, T&&))
MSL_TRAIT(is_copy_assignable, __is_assignable(T&, const T&))
MSL_TRAIT(is_move_assignable, __is_assignable(T&, T&&))
MSL_TRAIT(is_destructible, __is_destructible(T))
MSL_TRAIT(is_vector, __msl_vector_traits<T>::size != 0)

template <class T, class... Args>
struct is_constructible : bool_constant<__is_constructible(T, Args...)> {};
template <class T, class... Args>
constexpr __constant bool is_constructible_v = __is_constructible(T, Args...);

#undef MSL_TRAIT
#undef MSL_TRAIT_OF_TWO

// A type from a type: x<T>::type and x_t<T>.
#define MSL_TYPE(name, ...)   \
  template <class T>          \
  struct name {               \
    using type = __VA_ARGS__; \
  };                          \
  template <class T>          \
  using name##_t = typename name<T>::type;

template <class T>
struct __msl_remove_addrspace {
  using type = T;
};
#define MSL_REMOVE_ADDRSPACE(space)              \
  template <class T>                             \
  struct __msl_remove_addrspace<space T> {       \
    using type = T;                              \
  };                                             \
  template <class T>                             \
  struct __msl_remove_addrspace<space const T> { \
    using type = const T;                        \
  };
MSL_REMOVE_ADDRSPACE(__private)
MSL_REMOVE_ADDRSPACE(__global)
MSL_REMOVE_ADDRSPACE(__local)
MSL_REMOVE_ADDRSPACE(__constant)
MSL_REMOVE_ADDRSPACE(__generic)
#undef MSL_REMOVE_ADDRSPACE

MSL_TYPE(remove_addrspace, typename __msl_remove_addrspace<T>::type)
MSL_TYPE(remove_const, __remove_const(T))
MSL_TYPE(remove_volatile, __remove_volatile(T))
MSL_TYPE(remove_cv, __remove_cv(T))
MSL_TYPE(remove_reference, __remove_reference_t(T))
MSL_TYPE(remove_pointer, __remove_pointer(T))
MSL_TYPE(remove_extent, __remove_extent(T))
MSL_TYPE(add_const, const T)
MSL_TYPE(add_volatile, volatile T)
MSL_TYPE(add_cv, const volatile T)
MSL_TYPE(remove_all_extents, __remove_all_extents(T))
MSL_TYPE(make_signed, __make_signed(T))
MSL_TYPE(make_unsigned, __make_unsigned(T))
MSL_TYPE(underlying_type, __underlying_type(T))
#undef MSL_TYPE

template <class T>
using decay_t = __decay(T);
template <class T>
struct decay {
  using type = decay_t<T>;
};

// Vectors keep their size, signed and unsigned elements change place.
template <class T, int N>
struct make_signed<T __attribute__((ext_vector_type(N)))> {
  using type = vec<__make_signed(T), N>;
};
template <class T, int N>
struct make_unsigned<T __attribute__((ext_vector_type(N)))> {
  using type = vec<__make_unsigned(T), N>;
};

template <class T>
MSL_FUNC constexpr T&& declval();

template <class... T>
struct common_type {};
template <class T>
struct common_type<T> {
  using type = decay_t<T>;
};
template <class T, class U, class... More>
struct common_type<T, U, More...> : common_type<decltype(true ? declval<T>() : declval<U>()), More...> {};
template <class... T>
using common_type_t = typename common_type<T...>::type;

template <class T>
struct rank : integral_constant<size_t, __array_rank(T)> {};
template <class T, unsigned dimension = 0>
struct extent : integral_constant<size_t, __array_extent(T, dimension)> {};

template <class T>
struct make_scalar {
  using type = typename __msl_vector_traits<T>::value_type;
};
template <class T>
using make_scalar_t = typename make_scalar<T>::type;

}  // namespace metal
