"""A step's life: its brief, worker, review, promotion, second ways and settlement."""
