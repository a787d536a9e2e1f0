"""Both databases and the files of runs, as they were at one time -> one archive, and back."""
