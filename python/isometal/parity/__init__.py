"""The parity suite: cases, checks, evidence, matrix, gate. Works from an installed wheel."""
