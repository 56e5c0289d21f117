"""Storage on PostgreSQL: a pool of connections, lanes of writes, explicit locks.

Every write transaction takes a transaction-level advisory lock on its lane, which is nearly always
a thread's id, and runs in READ COMMITTED: whoever has the lock sees all that was committed before it
and nobody else writes there, as on SQLite, so nothing is ever serialised away. SERIALIZABLE was the
other choice: its conflicts are found by pages and, on small tables, by whole tables, so runs that
have nothing to do with each other would make each other start again. Reads run in REPEATABLE READ,
on one snapshot. Deadlocks and serialisation failures, which functions of the user's can bring about,
and lost connections are retried. No session state is used and nothing is prepared, so a transaction
pooler may stand in between; pipeline mode is not used.
"""
