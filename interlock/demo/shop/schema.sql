-- The shop's own database: one JSON document a record, exactly the text that a read answers.
CREATE TABLE orders (id TEXT PRIMARY KEY, document TEXT NOT NULL);
CREATE TABLE products (id TEXT PRIMARY KEY, document TEXT NOT NULL);
CREATE TABLE users (id TEXT PRIMARY KEY, document TEXT NOT NULL);
CREATE INDEX users_by_zip ON users (json_extract(document, '$.address.zip'));
