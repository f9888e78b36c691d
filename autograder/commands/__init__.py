"""Commands of `autograder` beside grading: what is handed out, what is looked at."""
