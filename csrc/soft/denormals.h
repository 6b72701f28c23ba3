// csrc/soft/denormals.h: the floating-point mode in which kernels run.
#pragma once

#include <cstdint>

#if defined(__SSE2__) || defined(_M_X64)
#include <xmmintrin.h>
#endif

namespace isometal::soft {

/// Puts the calling thread into a mode for as long as it lives, and then back into the one before.
class FloatMode {
 public:
#if defined(__SSE2__) || defined(_M_X64)
  using Register = std::uint32_t;
  static constexpr Register kPlain = 0x1F80;  ///< MXCSR: all exceptions masked
  static constexpr Register kFlush = 0x8040;  ///< FTZ for results, DAZ for operands
  static Register read() { return _mm_getcsr(); }
  static void write(Register value) { _mm_setcsr(value); }
#elif defined(__aarch64__)
  using Register = std::uint64_t;
  static constexpr Register kPlain = 0;
  static constexpr Register kFlush = Register{1} << 24;  ///< FPCR.FZ, for operands and results
  static Register read() {
    Register value;
    asm volatile("mrs %0, fpcr" : "=r"(value));
    return value;
  }
  static void write(Register value) { asm volatile("msr fpcr, %0" : : "r"(value) : "memory"); }
#else
  // A machine without such a mode, or one that we do not know: denormals are computed.
  using Register = std::uint32_t;
  static constexpr Register kPlain = 0;
  static constexpr Register kFlush = 0;
  static Register read() { return 0; }
  static void write(Register) {}
#endif

  /// The mode of Metal kernels, whatever mode the caller is in: round to nearest, no traps, denormals flushed
  /// to zero or not.
  static FloatMode of_kernels(bool flush_denormals) {
    return FloatMode(flush_denormals ? kPlain | kFlush : kPlain);
  }
  explicit FloatMode(Register mode) : saved_(read()) { write(mode); }
  ~FloatMode() { write(saved_); }
  FloatMode(const FloatMode&) = delete;
  FloatMode& operator=(const FloatMode&) = delete;

 private:
  Register saved_;
};

}  // namespace isometal::soft
