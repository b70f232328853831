"""Policies made by other libraries: one reader for each kind of file, and the shapes they take here.

A reader is given the file and the spec of the place, and returns a policy in the place's units: a traceable one where
the file is a network of a known form, a `HostPolicy` elsewhere. Nothing is unpickled without `trust`.
"""
