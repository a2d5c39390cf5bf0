"""Where store, mime and index meet; holds the commit order.

``Writer`` takes messages in, ``Reader`` gives them back, ``rebuild`` and ``verify`` prove the rest.
"""
