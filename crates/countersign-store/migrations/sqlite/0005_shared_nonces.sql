-- Nothing: a file belongs to one server, and its spent nonces are in a journal.
SELECT 1;
