"""A journal: the Django project of tests/frameworks.rs."""
