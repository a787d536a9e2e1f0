"""Submitted tables -> typed columns -> numbers that scikit-learn can work on. Plain Python."""
