"""What every pass of a model needs, whatever is recorded in it: who else runs, the modes of modules, gradients."""
