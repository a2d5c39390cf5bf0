"""Ways to log in: which there are, which one to take, and what each of them says.

Nothing here waits or knows a connection; ``login`` carries the words. No error that is raised here
repeats a secret.
"""
