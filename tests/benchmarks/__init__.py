"""How long explaining takes, beside a bare forward and beside the peers: ``python tests/benchmarks/run.py``."""
