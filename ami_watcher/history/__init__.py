"""What happened before: kept in memory (`store`), and in a file that outlives a restart (`database`)."""
