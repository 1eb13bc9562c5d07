"""The pages of the course, a module a part of it."""
