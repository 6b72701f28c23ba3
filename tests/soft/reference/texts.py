"""Hand-written modules with the parts of LLVM's text that are easy to get wrong."""

from __future__ import annotations

QUOTED_NAMES = """
@"a b" = internal constant i32 1
@"odd\\22name" = internal constant i32 2
define i32 @"k 1"(i32 %"x y", i32 %"z{") {
"entry block":
  %"s,um" = add i32 %"x y", %"z{"
  %"x" = load i32, ptr @"a b", align 4
  br label %"next=one"
"next=one":
  %"p" = phi i32 [ %"s,um", %"entry block" ], [ %"q;q", %"next=one" ]
  %"q;q" = add i32 %"p", %"x"
  %c = icmp slt i32 %"q;q", 10
  br i1 %c, label %"next=one", label %done
done:
  ret i32 %"q;q"
}
"""

#: Names that only quoting keeps apart, or that a rewritten quoted name could meet.
COLLIDING_NAMES = """
define i32 @f(i32 %v0, i32 %"a b", i32 %a_20_b) {
  %x = add i32 %v0, %"a b"
  %"x y" = add i32 %x, %a_20_b
  %x_20_y = add i32 %"x y", 1
  ret i32 %x_20_y
}
define i32 @g(i32 %0, i32 %v0, i32 %v1) {
  %2 = add i32 %0, %v0
  %3 = add i32 %2, %v1
  ret i32 %3
}
"""

NAMED_TYPES = """
%struct.C = type { float, float }
%"struct.D E" = type { [2 x %struct.C], i32, %struct.C }
%packed = type <{ i8, %"struct.D E", i16 }>
%empty = type {}
%opaque = type opaque
@table = internal constant [2 x %struct.C] [%struct.C { float 1.0, float 2.0 }, %struct.C { float 3.0, float 0.0 }]
define float @f(ptr %p, i64 %i, %struct.C %c) {
  %a = getelementptr inbounds %packed, ptr %p, i64 0, i32 1, i32 0, i64 %i, i32 1
  %v = load float, ptr %a, align 1
  %w = extractvalue %struct.C %c, 1
  %d = insertvalue %"struct.D E" undef, %struct.C %c, 0, 1
  %e = extractvalue %"struct.D E" %d, 0, 1, 0
  %t = getelementptr [2 x %struct.C], ptr @table, i64 0, i64 %i, i32 0
  %u = load float, ptr %t, align 4
  %s = fadd float %v, %w
  %s2 = fadd float %s, %u
  %s3 = fadd float %s2, %e
  %m = alloca %empty, align 8
  ret float %s3
}
"""

SWITCHES = """
define i32 @f(i32 %x, i64 %y) {
  switch i32 %x, label %other [
    i32 0, label %zero
    i32 -1, label %zero
    i32 7, label %seven
  ]
zero:
  switch i64 %y, label %other [ ]
seven:
  switch i64 %y, label %other [
    i64 -9223372036854775808, label %zero
  ]
other:
  %r = phi i32 [ 0, %0 ], [ 1, %zero ], [ 2, %seven ]
  ret i32 %r
}
"""

PHIS = """
define <2 x float> @f(i1 %c, <2 x float> %v) {
  br i1 %c, label %a, label %b, !prof !0
a:
  br label %b
b:
  %p = phi fast <2 x float> [ <float 1.0, float 0x7FF8000000000000>, %0 ], [ %v, %a ], !dbg !1
  %q = phi i32 [ add (i32 ptrtoint (ptr @g to i32), i32 4), %0 ], [ -3, %a ]
  %r = phi { i32, ptr } [ { i32 1, ptr @g }, %0 ], [ zeroinitializer, %a ]
  %s = phi <4 x i1> [ <i1 true, i1 false, i1 true, i1 undef>, %0 ], [ splat (i1 true), %a ]
  %t = phi [2 x i8] [ c"a\\22", %0 ], [ poison, %a ]
  ret <2 x float> %p
}
@g = global i32 0
!llvm.module.flags = !{!2}
!0 = !{!"branch_weights", i32 1, i32 2000}
!1 = !DILocation(line: 1, column: 2, scope: !3)
!2 = !{i32 2, !"Debug Info Version", i32 3}
!3 = distinct !DISubprogram(name: "f", scope: !4, file: !4, line: 1, type: !5, unit: !6, spFlags: DISPFlagDefinition)
!4 = !DIFile(filename: "a \\22b\\22.metal", directory: "/")
!5 = !DISubroutineType(types: !{})
!6 = distinct !DICompileUnit(language: DW_LANG_C99, file: !4, isOptimized: false, emissionKind: NoDebug)
"""

VECTORS = """
define <4 x i1> @f(<4 x i32> %a, <4 x i32> %b, <4 x ptr> %p, ptr %q, <4 x i64> %i, i1 %c) {
  %l = icmp samesign ult <4 x i32> %a, %b
  %m = fcmp nnan ninf uno <4 x float> zeroinitializer, splat (float 1.0)
  %n = select <4 x i1> %l, <4 x i1> %m, <4 x i1> <i1 true, i1 false, i1 poison, i1 true>
  %g = getelementptr inbounds nuw float, <4 x ptr> %p, i64 3
  %h = getelementptr float, ptr %q, <4 x i64> %i
  %h2 = getelementptr { i32, [4 x i8] }, ptr %q, <4 x i64> %i, i32 1, i64 2
  %x = extractelement <4 x ptr> %h, i64 0
  %s = shufflevector <4 x i1> %n, <4 x i1> poison, <4 x i32> <i32 3, i32 poison, i32 1, i32 0>
  %t = shufflevector <4 x i32> %a, <4 x i32> %b, <8 x i32> zeroinitializer
  %u = insertelement <4 x i1> %s, i1 %c, i32 2
  %z = zext nneg <8 x i32> %t to <8 x i64>
  %k = trunc nuw nsw <8 x i64> %z to <8 x i16>
  %e = bitcast <8 x i16> %k to <2 x i64>
  %w = load <4 x i1>, ptr %q, align 1, !nontemporal !0
  store <4 x i1> %u, ptr %x, align 1
  ret <4 x i1> %w
}
!0 = !{i32 1}
"""

ATOMICS = """
define i32 @f(ptr addrspace(1) %p, ptr %q, float %x) {
  %a = atomicrmw volatile add ptr addrspace(1) %p, i32 1 syncscope("agent") monotonic, align 4
  %b = atomicrmw fadd ptr addrspace(1) %p, float %x seq_cst, align 4
  %c = cmpxchg weak volatile ptr %q, i32 0, i32 %a acq_rel monotonic, align 4
  %d = extractvalue { i32, i1 } %c, 0
  %e = load atomic volatile i32, ptr %q syncscope("singlethread") acquire, align 4
  store atomic i32 %e, ptr %q release, align 4
  %g = cmpxchg ptr %q, ptr null, ptr %q seq_cst seq_cst, align 8
  %h = extractvalue { ptr, i1 } %g, 1
  fence syncscope("agent") acquire
  %i = atomicrmw xchg ptr %q, ptr null acquire, align 8
  ret i32 %d
}
"""

CONSTANTS = """
@g = external global [4 x i32]
@h = internal addrspace(3) global { i16, [4 x half] } undef, align 8
@k = constant [2 x half] [half 0xH3C00, half 0xHFC00]
@b = constant <2 x bfloat> <bfloat 0xR3F80, bfloat 0xRFF80>
@s = private unnamed_addr constant [4 x i8] c"a\\22\\00;", section "x", align 1
@whole = global [4 x i32] zeroinitializer
@alias = alias i32, getelementptr ([4 x i32], ptr @whole, i64 0, i64 1)
define half @f() {
  %a = load i32, ptr getelementptr inbounds nuw ([4 x i32], ptr @g, i64 0, i64 2), align 4
  %b = load half, ptr addrspacecast (ptr addrspace(3) getelementptr (i8, ptr addrspace(3) @h, i64 4) to ptr), align 2
  store i32 ptrtoint (ptr @g to i32), ptr inttoptr (i64 64 to ptr), align 4
  store i64 add (i64 ptrtoint (ptr @g to i64), i64 3), ptr @g, align 8
  %c = fadd half %b, 0xH4000
  %d = fmul nnan ninf nsz arcp contract afn reassoc half %c, 0xHC000
  %e = fsub float -0.000000e+00, 0x3FC3333340000000
  %i = add nuw nsw i64 -5, 18446744073709551615
  %n = freeze half %d
  ret half %n
}
"""

CALLS = """
%pair = type { i32, i32 }
declare void @va(i32, ...)
declare noalias noundef align 4 dereferenceable(8) ptr @attrs(ptr byval(%pair) align 8, i32 signext range(i32 0, 5))
declare float @llvm.fma.f32(float, float, float)
define void @f(ptr %fn, ptr nocapture readonly align 4 dereferenceable(8) %p, float nofpclass(nan) %x) #0 {
  call void (i32, ...) @va(i32 1, ptr %p, double 1.0)
  %a = tail call noalias align 4 ptr @attrs(ptr byval(%pair) align 8 %p, i32 signext 4) #1
  %b = call i32 %fn(i32 3, ptr @va)
  %c = notail call nnan float @llvm.fma.f32(float %x, float 1.0, float -1.0), !fpmath !0
  %d = tail call fastcc i32 @self(i32 1)
  call void @llvm.assume(i1 true) [ "align"(ptr %p, i64 16), "nonnull"(ptr %a) ]
  ret void
}
define fastcc i32 @self(i32 %0) unnamed_addr {
  %2 = musttail call fastcc i32 @self(i32 %0)
  ret i32 %2
}
declare void @llvm.assume(i1)
attributes #0 = { nounwind "target-features"="+a,-b { }" memory(none) }
attributes #1 = { convergent }
!0 = !{float 2.5}
"""

UNNAMED = """
define i32 @f(i32, ptr %p, i1) {
  br i1 %1, label %3, label %4

3:                                                ; preds = %2
  br label %4

4:                                                ; preds = %3, %2
  %5 = phi i32 [ %0, %2 ], [ 7, %3 ]
  %6 = load i32, ptr %p, align 4 ; a comment with " and %5
  %7 = add i32 %5, %6
  ret i32 %7
}
define void @g() {
  br label %1
1:
  br label %1, !llvm.loop !0
}
!0 = distinct !{!0, !1}
!1 = !{!"llvm.loop.mustprogress"}
"""

ALL = {
    name.lower(): text
    for name, text in list(globals().items())
    if isinstance(text, str) and name.isupper() and not name.startswith("_")
}
