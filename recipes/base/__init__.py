"""Shared pieces of recipes: gin files that others include. A package, so that gin finds them from any folder."""
