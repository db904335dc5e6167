"""Where pydantic-settings and the vault meet, and the only place where they do.

`vault` is our source, and how the sources of a class are arranged; `running` runs the others;
`meeting` is one load of what they gave; `asking` knows where to ask, and what to say where that
fails; `texts` reads a text as a variable would be; `upstream` has the private names of
pydantic-settings, and no other file has.
"""
