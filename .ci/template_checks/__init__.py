"""What must hold of template.yaml and no linter sees."""
