"""Published results as data: what papers print, with where it comes from and what it is worth."""
