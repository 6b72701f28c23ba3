"""The backends. One module each; `isometal.selection.get` is the only way to one."""
