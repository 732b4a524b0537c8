"""What the report makes of records and the paper's tables: statistics, tables, charts."""
