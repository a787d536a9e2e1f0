"""Submitted texts -> sentences, words and candidate phrases. Plain Python."""
