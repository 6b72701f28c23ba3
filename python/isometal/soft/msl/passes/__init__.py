"""The passes of the rewriter. Each looks at the source's tokens and outline and collects edits; none sees another's."""
