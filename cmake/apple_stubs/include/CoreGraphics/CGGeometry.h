// CoreGraphics/CGGeometry.h: the types that Apple's metal-cpp names, for syntax checks without Apple's SDK.
#pragma once

typedef double CGFloat;
typedef struct CGSize {
  CGFloat width;
  CGFloat height;
} CGSize;
