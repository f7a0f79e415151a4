"""The doctor: what is wrong or doubtful in a data set, found before a GPU is spent on it."""
