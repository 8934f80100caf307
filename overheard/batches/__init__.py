"""Files of any length on their way in and out: cut into a job's parts, and its scored rows written out again."""
