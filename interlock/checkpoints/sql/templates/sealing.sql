-- Once for every sealed column. Values that do not begin with ?2, of ?1 characters or bytes.
-- (In SQLite substr of an empty BLOB is NULL.)
-- name: list_first_{table}_{column}
SELECT {found_by}, {key}, {column} FROM {table}
WHERE {column} IS NOT NULL AND coalesce(substr({column}, 1, ?1), {column}) <> ?2
ORDER BY {found_by} LIMIT ?3;

-- name: list_next_{table}_{column}
SELECT {found_by}, {key}, {column} FROM {table}
WHERE {column} IS NOT NULL AND coalesce(substr({column}, 1, ?1), {column}) <> ?2 AND ({found_by}) > ({after})
ORDER BY {found_by} LIMIT ?3;

-- name: reseal_{table}_{column}
UPDATE {table} SET {column} = ?1 WHERE {column} = ?2 AND {same_row};

-- name: holds_{table}_{column}
SELECT EXISTS (SELECT 1 FROM {table} WHERE {column} IS NOT NULL);
