"""Where pydantic-settings and the vault meet, and the only place where they do.

From the top: `arranging` puts the sources of a class in order, with ours among them, which
`vault_source` is; `meeting` is one load of what they gave; `gathering` makes a layer of what each
gave; `asking` knows where to ask, and `hints` what to say where that fails; `texts` reads a text as
that of a variable; `situation` is where a load runs; and `upstream` has all that we use of
pydantic-settings beyond what it promises.
"""
