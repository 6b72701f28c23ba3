"""What the lowering is compared with: an interpreter of AIR, and other independent statements of what kernels mean."""
