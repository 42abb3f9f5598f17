"""Every method on the architectures people use: ``python tests/matrix/run.py``.

Not called ``coverage``: ``tests`` is on the path, and that name is a distribution's that test runners import.
"""
