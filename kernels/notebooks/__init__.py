"""Notebooks: read whoever wrote them, written so that anybody may open them."""
