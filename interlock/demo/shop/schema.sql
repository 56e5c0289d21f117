-- The shop's own database: one JSON document a record, exactly the text that a read answers.
CREATE TABLE orders (id TEXT PRIMARY KEY, document TEXT NOT NULL);
CREATE TABLE products (id TEXT PRIMARY KEY, document TEXT NOT NULL);
CREATE TABLE users (id TEXT PRIMARY KEY, document TEXT NOT NULL);
CREATE INDEX users_by_zip ON users (json_extract(document, '$.address.zip'));

-- What was written under a caller's key, in the transaction of the write itself, with the answer.
-- Not unique: the shop does whatever it is told, as often as it is told.
CREATE TABLE receipts (seq INTEGER PRIMARY KEY, key TEXT NOT NULL, answer TEXT NOT NULL);
CREATE INDEX receipts_by_key ON receipts (key);
