// Elementwise kernels of MLX's headers, under the names that MLX's own metallib has.
#include <metal_common>
#include <metal_math>

#include "mlx/backend/metal/kernels/utils.h"
#include "mlx/backend/metal/kernels/unary_ops.h"
#include "mlx/backend/metal/kernels/unary.h"
#include "mlx/backend/metal/kernels/binary_ops.h"
#include "mlx/backend/metal/kernels/binary.h"
#include "mlx/backend/metal/kernels/ternary_ops.h"
#include "mlx/backend/metal/kernels/ternary.h"

#define unary(op, tname, type)                                                       \
  instantiate_kernel("v_" #op #tname #tname, unary_v, type, type, op, 1)             \
  instantiate_kernel("vn_" #op #tname #tname, unary_v, type, type, op)               \
  instantiate_kernel("v2_" #op #tname #tname, unary_v2, type, type, op)              \
  instantiate_kernel("gn1_" #op #tname #tname, unary_g, type, type, op, 1, int)      \
  instantiate_kernel("gn4large_" #op #tname #tname, unary_g, type, type, op, 4)
#define unary_floats(op)            \
  unary(op, float32, float)         \
  unary(op, float16, half)          \
  unary(op, bfloat16, bfloat16_t)
#define unary_all(op)                        \
  unary_floats(op)                           \
  unary(op, int32, int32_t) unary(op, uint8, uint8_t)

unary_all(Abs) unary_all(Ceil) unary_all(Floor) unary_all(Negative) unary_all(Sign) unary_all(Square)
unary_floats(ArcCos) unary_floats(ArcCosh) unary_floats(ArcSin) unary_floats(ArcSinh) unary_floats(ArcTan)
unary_floats(ArcTanh) unary_floats(Cos) unary_floats(Cosh) unary_floats(Exp) unary_floats(Expm1) unary_floats(Log)
unary_floats(Log2) unary_floats(Log10) unary_floats(Log1p) unary_floats(Sigmoid) unary_floats(Erf) unary_floats(ErfInv)
unary_floats(Sin) unary_floats(Sinh) unary_floats(Sqrt) unary_floats(Rsqrt) unary_floats(Tan) unary_floats(Tanh)
unary_floats(Round)
unary(BitwiseInvert, uint8, uint8_t) unary(BitwiseInvert, int64, int64_t) unary(LogicalNot, bool_, bool)
#define unary_complex(op)                                                                          \
  instantiate_kernel("v_" #op "complex64complex64", unary_v, complex64_t, complex64_t, op, 1)      \
  instantiate_kernel("v2_" #op "complex64complex64", unary_v2, complex64_t, complex64_t, op)       \
  instantiate_kernel("gn1_" #op "complex64complex64", unary_g, complex64_t, complex64_t, op, 1, int)
unary_complex(Abs) unary_complex(Conjugate) unary_complex(Cos) unary_complex(Cosh) unary_complex(Exp)
unary_complex(Log) unary_complex(Log1p) unary_complex(Log2) unary_complex(Log10) unary_complex(Negative)
unary_complex(Sign) unary_complex(Sin) unary_complex(Sinh) unary_complex(Square) unary_complex(Sqrt)
unary_complex(Rsqrt) unary_complex(Tan) unary_complex(Tanh) unary_complex(Round) unary_complex(ArcCos)
unary_complex(ArcSin) unary_complex(ArcTan)
instantiate_kernel("v_Realcomplex64float32", unary_v, complex64_t, float, Real, 1)
instantiate_kernel("v_Imagcomplex64float32", unary_v, complex64_t, float, Imag, 1)
instantiate_kernel("v_ToFP8float32uint8", unary_v, float, uint8_t, ToFP8, 1)
instantiate_kernel("v_FromFP8uint8float32", unary_v, uint8_t, float, FromFP8, 1)

#define binary(op, tname, itype, otype)                                                     \
  instantiate_kernel("ss_" #op #tname, binary_ss, itype, otype, op)                         \
  instantiate_kernel("sv_" #op #tname, binary_sv, itype, otype, op, 1)                      \
  instantiate_kernel("vs_" #op #tname, binary_vs, itype, otype, op, 1)                      \
  instantiate_kernel("vv_" #op #tname, binary_vv, itype, otype, op, 1)                      \
  instantiate_kernel("vvn_" #op #tname, binary_vv, itype, otype, op)                        \
  instantiate_kernel("sv2_" #op #tname, binary_sv2, itype, otype, op)                       \
  instantiate_kernel("vs2_" #op #tname, binary_vs2, itype, otype, op)                       \
  instantiate_kernel("vv2_" #op #tname, binary_vv2, itype, otype, op)                       \
  instantiate_kernel("g1_" #op #tname, binary_g_nd1, itype, otype, op, int)                 \
  instantiate_kernel("g2_" #op #tname, binary_g_nd2, itype, otype, op, int)                 \
  instantiate_kernel("g3large_" #op #tname, binary_g_nd3, itype, otype, op)                 \
  instantiate_kernel("gn4large_" #op #tname, binary_g, itype, otype, op, 4)
#define binary_floats(op)                    \
  binary(op, float32, float, float)          \
  binary(op, float16, half, half)            \
  binary(op, bfloat16, bfloat16_t, bfloat16_t)
#define binary_all(op)                                             \
  binary_floats(op) binary(op, int32, int32_t, int32_t)            \
  binary(op, uint8, uint8_t, uint8_t) binary(op, int64, int64_t, int64_t)
#define compare(op)                                                                  \
  binary(op, float32, float, bool) binary(op, bfloat16, bfloat16_t, bool)            \
  binary(op, uint32, uint32_t, bool) binary(op, complex64, complex64_t, bool)

binary_all(Add) binary_all(Subtract) binary_all(Multiply) binary_all(Maximum) binary_all(Minimum) binary_all(Power)
binary_all(FloorDivide) binary_all(Remainder) binary_floats(Divide) binary_floats(LogAddExp) binary_floats(ArcTan2)
compare(Equal) compare(NotEqual) compare(Greater) compare(GreaterEqual) compare(Less) compare(LessEqual)
binary(NaNEqual, float32, float, bool) binary(NaNEqual, complex64, complex64_t, bool)
binary(Add, complex64, complex64_t, complex64_t) binary(Subtract, complex64, complex64_t, complex64_t)
binary(Multiply, complex64, complex64_t, complex64_t) binary(Divide, complex64, complex64_t, complex64_t)
binary(Maximum, complex64, complex64_t, complex64_t) binary(Power, complex64, complex64_t, complex64_t)
binary(LogAddExp, complex64, complex64_t, complex64_t) binary(Remainder, complex64, complex64_t, complex64_t)
binary(LogicalAnd, bool_, bool, bool) binary(LogicalOr, bool_, bool, bool)
binary(BitwiseAnd, uint8, uint8_t, uint8_t) binary(BitwiseOr, int64, int64_t, int64_t)
binary(BitwiseXor, bool_, bool, bool) binary(LeftShift, uint32, uint32_t, uint32_t)
binary(RightShift, int16, int16_t, int16_t)

#define ternary(op, tname, type)                                                   \
  instantiate_kernel("v_" #op #tname, ternary_v, type, op, false, false, 1)        \
  instantiate_kernel("vs_" #op #tname, ternary_v, type, op, false, true, 1)        \
  instantiate_kernel("v2_" #op #tname, ternary_v2, type, op, false, false)         \
  instantiate_kernel("g1_" #op #tname, ternary_g_nd1, type, op, int)               \
  instantiate_kernel("g2_" #op #tname, ternary_g_nd2, type, op, int)               \
  instantiate_kernel("g3_" #op #tname, ternary_g_nd3, type, op, int)               \
  instantiate_kernel("gn4large_" #op #tname, ternary_g, type, op, 4)
ternary(Select, float32, float) ternary(Select, bfloat16, bfloat16_t) ternary(Select, complex64, complex64_t)
ternary(Select, uint8, uint8_t)
