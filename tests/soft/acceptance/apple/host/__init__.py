"""How MLX 0.32.4 launches its kernels: names, buffer indices, constants, function constants, grids."""
