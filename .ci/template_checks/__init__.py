"""What must hold of template.yaml and no linter sees."""
from . import access, alarms, api, delivery, functions, schedules, sources, storage  # noqa: F401: they register themselves
