"""Where the rows and events are: SQLite, point look-ups by key and event time, sums of intervals."""
