"""Metrics: how good a map is, one entry point each; modules with an underscore are what several share."""
