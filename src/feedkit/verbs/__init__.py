"""The verbs that a host calls, by what they are about. They check, resolve names and delegate.

`feedkit.engine.Feed` is all of them together. The actor or viewer always comes first; None is a viewer who is not
logged in. Everything after the target is keyword-only. Verbs that write take `connection=`.
"""
