"""Postgres is the truth: the tables, and every SQL statement of the project as a verb-named function.

Each verb lives in the module of its family:

- `database`: the pool, transactions, errors; `migrate`: the tables; `online_indexes`: large ones' indexes
- `submit`: jobs and batches in; `scans`, `scan_pages`: archives in, page by page
- `claim`, `pin`, `heartbeat`, `finish`: what a worker does with a job; `lease` is what it holds meanwhile
- `sweep`, `bells`: housekeeping
- `schedules`, `schedule_history`: what is run again and again; `schedule_plan`, `schedule_ticks`: starting what is due
- `notifications`: telling somebody that a batch is done
- `cancel`: cancel, and retry what failed
- `workers`: who serves what
- `views`, `results`, `search`: reading; `analyst`: the SQL views for people
"""
