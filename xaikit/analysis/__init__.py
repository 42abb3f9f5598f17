"""Numbers about runs: measures, statistics, comparison of trials, difference of runs."""
