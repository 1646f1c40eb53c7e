"""The list of checks. A check is a function from a template to what is wrong with it, under a name."""

CHECKS = {}


def check(name):
    """Registers a check. Its docstring says what must hold; it yields one line for each thing that breaks it."""

    def register(function):
        assert name not in CHECKS, f"two checks are called {name}"
        CHECKS[name] = function
        return function

    return register
