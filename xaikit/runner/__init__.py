"""A config, done: plan, shards, resume, executors and the manifest."""
