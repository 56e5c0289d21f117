-- The shop's own database: one JSON document a record, exactly the text that a read answers.
CREATE TABLE orders (id TEXT PRIMARY KEY, document TEXT NOT NULL);
CREATE TABLE products (id TEXT PRIMARY KEY, document TEXT NOT NULL);
CREATE TABLE users (id TEXT PRIMARY KEY, document TEXT NOT NULL);
CREATE INDEX users_by_email ON users (lower(json_extract(document, '$.email')));
CREATE INDEX users_by_name_and_zip ON users (
    lower(json_extract(document, '$.name.last_name')),
    lower(json_extract(document, '$.name.first_name')),
    json_extract(document, '$.address.zip')
);
