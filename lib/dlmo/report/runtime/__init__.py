"""The chapter on the runtime: the same files on several runtimes, threads and boards."""
